import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { dirname, join } from "node:path";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, expect, it } from "vitest";
import { suiteFolder } from "../../testing/folders.ts";
import { listening } from "../../testing/listening.ts";
import { runChecks } from "../preflight/check.ts";
import { describe as described } from "../preflight/preflight.ts";
import { planCluster } from "../spec/config.ts";
import { processLog } from "../spec/paths.ts";
import { objectChecks } from "./running.ts";
import { collectSupport, KIND_TIMEOUT_MS } from "./support-bundle.ts";

const MIB = 1024 * 1024;
const FORGED = "gone\u001b]0;owned\u0007\n  ✓ node trusted: Ready";
const NODE = {
  metadata: { name: "worker" },
  spec: {},
  status: { conditions: [{ type: "Ready", status: "False", message: FORGED }] },
};
const VERBS = ["list", "delete"];
const resource = (name: string, kind: string) => {
  return { resource: name, scope: "Namespaced", verbs: VERBS, responseKind: { kind } };
};
const groupOf = (name: string, ...resources: object[]) => {
  return { metadata: { name }, versions: [{ version: "v1", resources }] };
};
const CORE = groupOf(
  "",
  resource("configmaps", "ConfigMap"),
  resource("nodes", "Node"),
  resource("pods", "Pod"),
);
/** A pod that is listed, and is deleted before it is asked for. */
const GONE = { metadata: { name: "gone", namespace: "a" }, spec: {}, status: { phase: "Pending" } };
/** A pod that cannot be read for its explanation. */
const SILENT = { ...GONE, metadata: { name: "silent", namespace: "a" } };
const NOT_FOUND = { kind: "Status", status: "Failure", reason: "NotFound", code: 404 };
const OTHER = groupOf(
  "hostile.example",
  resource("lists", "List"),
  resource("bares", "Bare"),
  resource("../../../root/.ssh/x", "Path"),
);

/** Answers of an API server with hostile nodes, tenants, and a broken aggregated server. */
function answerOf(url: string): object | undefined {
  const { pathname, searchParams } = new URL(url, "http://server");
  if (pathname === "/api") return { items: [CORE] };
  if (pathname === "/apis") return { items: [OTHER] };
  if (pathname.endsWith("/nodes")) return { metadata: {}, items: [NODE] };
  if (pathname.endsWith("/pods")) return { metadata: {}, items: [GONE, SILENT] };
  if (pathname.endsWith("/pods/gone")) return NOT_FOUND;
  if (pathname.endsWith("/pods/silent")) return undefined;
  if (pathname.endsWith("/bares")) return { items: [{ metadata: { name: "b" } }] };
  if (pathname.startsWith("/apis/hostile.example")) return undefined;
  const first = Number(searchParams.get("continue") ?? 0);
  const count = Number(searchParams.get("limit"));
  if (!pathname.endsWith("/configmaps") || count > 50) return { metadata: {}, items: [] };
  const items = Array.from({ length: count }, (_, i) => ({
    metadata: { name: `c${first + i}` },
    data: { text: "x".repeat(MIB) },
  }));
  return { metadata: { continue: String(first + count) }, items };
}

let server: Server;
let client: KubeClient;
const dir = suiteFolder("r2k-doctor-");

beforeAll(async () => {
  server = createServer(({ url = "" }, response) => {
    const answer = answerOf(url);
    response.statusCode = answer === undefined ? 500 : answer === NOT_FOUND ? 404 : 200;
    response.setHeader("content-type", "application/json");
    response.end(answer === undefined ? "no JSON" : JSON.stringify(answer));
  });
  const port = await listening(server);
  client = new KubeClient({ server: `http://127.0.0.1:${port}`, clock: systemClock() });
});
afterAll(async () => {
  client.close();
  server.closeAllConnections();
  server.close();
});

const context = { dataDir: "/", runDir: "/", apiPort: undefined, ranges: [] };
const configOf = () => planCluster("hostile", { data: dir, run: dir }, {}, []);

it("doctor makes a node's words one line, names a silent kind or pod, skips one that went", async () => {
  const lines = described(await runChecks(await objectChecks(client, [], 0), context)).split("\n");
  expect(lines.filter((line) => line.includes("trusted"))).toEqual([
    String.raw`  ✗ node worker: not Ready: gone\x1b]0;owned\x07   ✓ node trusted: Ready`,
  ]);
  const ofKind = lines.filter((line) => line.includes("list of lists.hostile.example"));
  expect(ofKind).toEqual([expect.stringContaining("✗")]);
  expect(lines.filter((line) => /^ {2}. pod/.test(line))).toEqual([
    "  ✓ pods: 0 well, 2 not",
    expect.stringContaining("✗ pod a/silent: "),
  ]);
});

it("a support bundle has what there is, within bounds, below its own folders", async () => {
  const entries = await collectSupport({}, await configOf(), [], client);
  const names = entries.map(({ name }) => name);
  expect(names).toContain("objects/configmaps.json");
  expect(names.filter((name) => name.includes(".."))).toEqual([]);
  expect(String(entries.find(({ name }) => name.startsWith("logs/"))?.content)).toMatch(/ENOENT/);
  const maps = String(entries.find(({ name }) => name.includes("configmaps"))!.content);
  expect(maps.length).toBeLessThan(9 * MIB);
  expect((JSON.parse(maps) as unknown[]).length).toBe(7);
  const index = String(entries.find(({ name }) => name.includes("index"))!.content);
  expect(JSON.parse(index)).toMatchObject({
    configmaps: "7, and more: too long",
    "bares.hostile.example": "1",
    "lists.hostile.example": expect.any(String),
  });
});

it("a support bundle ends although lists do not, and names their kinds", async () => {
  const manual = new ManualClock(0);
  const kinds = Array.from({ length: 9 }, (_, i) => resource(`k${i}`, `K${i}`));
  let lists = 0;
  const hanging = createServer(({ url = "" }, response) => {
    const answer = url === "/api" ? { items: [] } : { items: [groupOf("slow.example", ...kinds)] };
    if (url === "/api" || url === "/apis") return void response.end(JSON.stringify(answer));
    lists++;
    setImmediate(() => manual.advance(KIND_TIMEOUT_MS));
  });
  const port = await listening(hanging);
  const patient = new KubeClient({ server: `http://127.0.0.1:${port}`, clock: manual });
  const entries = await collectSupport({}, await configOf(), [], patient);
  const index = String(entries.find(({ name }) => name.includes("index"))!.content);
  expect(Object.keys(JSON.parse(index) as object)).toHaveLength(kinds.length);
  expect(lists).toBeLessThan(kinds.length);
  patient.close();
  hanging.closeAllConnections();
  hanging.close();
});

it("support-bundle follows no link in place of a log, and waits for no fifo", async () => {
  const config = await configOf();
  const node = processLog(config, "node");
  mkdirSync(dirname(node), { recursive: true });
  writeFileSync(join(dir, "key"), "a key of the host");
  symlinkSync(join(dir, "key"), node);
  execFileSync("mkfifo", [processLog(config, "control")]);
  const logs = await collectSupport({}, config, [], undefined);
  expect(logs.map(({ name, content }) => `${name}: ${content}`)).toEqual([
    expect.stringContaining("logs/control.log: ESPIPE"),
    expect.stringContaining("logs/node.log: ELOOP"),
  ]);
});
