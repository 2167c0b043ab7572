import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type EtcdServer, startEtcd } from "../../testing/etcd-server.ts";
import { type SendJson, senderTo } from "../../testing/send-json.ts";
import { startTestApiserver, type TestApiserver } from "../../testing/test-apiserver.ts";
import { SCENES } from "./cases.ts";
import { judge, type Verdict } from "./record.ts";

// Recorded on upstream's kube-apiserver by scripts/record-apiserver.ts.
const GOLDEN = JSON.parse(
  readFileSync(join(import.meta.dirname, "upstream.json"), "utf8"),
) as Record<string, Record<string, Verdict>>;

let etcd: EtcdServer;
let api: TestApiserver;
let send: SendJson;

beforeAll(async () => {
  etcd = await startEtcd();
  api = await startTestApiserver(etcd.client);
  send = await senderTo(api);
});
afterAll(async () => {
  await api.close();
  await etcd.close();
});

describe("admission judges as upstream", () => {
  for (const scene of SCENES) {
    it(scene.name, async () => {
      const verdicts = JSON.parse(JSON.stringify(await judge(scene, send))) as object;
      expect(verdicts).toEqual(GOLDEN[scene.name]);
    });
  }
});
