// Records what kube-apiserver answers: node test/contract/apiserver/websocket/record.ts
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startUpstream } from "../../../../testing/apiserver/upstream-apiserver.ts";
import { CASES } from "./cases.ts";
import { exchange, type Outcome } from "./exchange.ts";

const BINARY = join(import.meta.dirname, "../../../../.peers/bin/kube-apiserver");
if (!existsSync(BINARY)) throw new Error(`${BINARY} is not built: npm run peers -- kube-apiserver`);

const upstream = await startUpstream(BINARY);
try {
  const body = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "one" }, data: { a: "b" } };
  const path = "/api/v1/namespaces/default/configmaps?fieldManager=m";
  await upstream.send("POST", path, "application/json", body);
  const recorded: Record<string, Outcome> = {};
  for (const each of CASES) recorded[each.what] = await exchange(upstream, each);
  const file = join(import.meta.dirname, "recorded.json");
  writeFileSync(file, `${JSON.stringify(recorded, undefined, 2)}\n`);
} finally {
  await upstream.close();
}
