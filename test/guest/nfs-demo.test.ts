import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestCluster } from "../e2e/cluster.ts";
import { differences, type HostSnapshot } from "../e2e/host-snapshot.ts";
import { OwnHost } from "../e2e/own-host.ts";
import { guestsMissing } from "./guest.ts";

const NAME = "shared";
const TIMEOUT_MS = 300_000;
const DEMO = ["start", "--name", NAME, "--no-demo", "--nfs-demo"];
const WRITERS = join(import.meta.dirname, "../../examples/nfs-writers.yaml");
const ASKED = process.env["R2K_NFS_DEMO"] !== undefined;
const isPossible = ASKED &&
  guestsMissing() === undefined && process.getuid?.() === 0 && existsSync("/usr/sbin/rpc.nfsd");

let host: OwnHost;
let cluster: TestCluster;
let before: HostSnapshot;

beforeAll(async () => {
  if (!isPossible) return;
  host = await OwnHost.create();
  before = await host.snapshot(NAME);
}, TIMEOUT_MS);

afterAll(async () => {
  if (!isPossible) return;
  await host.r2k(["down", "--purge", "--name", NAME]);
  await host.close();
}, TIMEOUT_MS);

const status = async () => {
  const { stdout } = await host.r2k(["status", "--name", NAME, "-o", "json"]);
  return JSON.parse(stdout) as { nfs: { server: string } | null; nodes: { ready: boolean }[] };
};

/** Waits until a node's writer has written a line after those that are there. */
async function writes(node: string): Promise<void> {
  const file = `/data/${node}`;
  const lines = ["exec", "daemonset/writers", "--", "wc", "-l", file];
  const count = (answer: string) => Number.parseInt(answer, 10);
  const first = count(await cluster.until(`a line of ${node}`, lines, (text) => count(text) > 0));
  await cluster.until(`another line of ${node}`, lines, (text) => count(text) > first);
}

describe.runIf(isPossible)("r2k start --nfs-demo", { timeout: TIMEOUT_MS }, () => {
  it("leaves nothing when it is interrupted after the server is there", async () => {
    const env = { R2K_INTERRUPT_AFTER: "nodes joined: nfs" };
    const { code, stderr } = await host.r2k(DEMO, { env, timeout_ms: TIMEOUT_MS });
    expect(code, stderr).toBe(130);
    expect(stderr).toContain("undoing this start");
    expect(differences(before, await host.snapshot(NAME))).toEqual([]);
  });

  it("two nodes write to one claim, and the status shows the server", async () => {
    cluster = await TestCluster.startIn(host, NAME, ["--no-demo", "--nfs-demo"]);
    const added = await host.r2k(["node", "add", "other", "--guest", "--name", NAME]);
    expect(added.code, added.stderr).toBe(0);
    const { nfs, nodes } = await status();
    expect(nfs).toMatchObject({ node: "nfs", size_mib: 1024 });
    expect(nodes.map(({ ready }) => ready)).toEqual([true, true, true]);
    await cluster.apply(readFileSync(WRITERS, "utf8"));
    await cluster.ask("rollout", "status", "daemonset/writers", "--timeout=120s");
    for (const node of ["nfs", "other"]) await writes(node);
    const mounted = ["exec", "daemonset/writers", "--", "grep", " /data ", "/proc/mounts"];
    expect(await cluster.ask(...mounted)).toContain(`${nfs!.server}default/shared /data nfs4`);
    const image = join(host.env["R2K_DATA"]!, NAME, "nodes/nfs/export.img");
    expect(existsSync(image)).toBe(true);
  });

  it("a pod's own volume does not reach the server", async () => {
    const server = (await status()).nfs!.server.replace(":/", "");
    await cluster.apply(`
apiVersion: v1
kind: Pod
metadata: { name: direct }
spec:
  nodeName: nfs
  containers:
    - { name: main, image: r2k.local/busybox:1, volumeMounts: [{ name: all, mountPath: /all }] }
  volumes: [{ name: all, nfs: { server: "${server}", path: / } }]`);
    const events = ["get", "events", "-o", "jsonpath={.items[*].message}"];
    const refused = `may not name nfs server ${server}`;
    await cluster.until("the refusal", events, (text) => text.includes(refused));
    await cluster.ask("delete", "pod", "direct", "--now");
  });

  it("a start refuses a node with the name of another machine's Node, which stays", async () => {
    await cluster.apply("apiVersion: v1\nkind: Node\nmetadata: { name: node-2 }\n");
    const { code, stderr } = await host.r2k(["start", "--name", NAME, "--no-demo", "--nodes", "4"]);
    expect(code, stderr).toBe(1);
    expect(stderr).toContain("a Node node-2 that r2k did not add");
    expect(await cluster.ask("delete", "node", "node-2")).toContain("deleted");
  });

  it("its files are there after down and start, without the flag", async () => {
    const log = ["exec", "daemonset/writers", "--", "head", "-n", "1", "/data/nfs"];
    const first = await cluster.ask(...log);
    const { nfs } = await status();
    expect((await cluster.down([])).code).toBe(0);
    await cluster.up(["--no-demo"]);
    expect((await status()).nfs).toEqual(nfs);
    expect(await cluster.until("the pods", log, (text) => text !== "", 120_000)).toBe(first);
    for (const node of ["nfs", "other"]) await writes(node);
  });

  it("down --purge removes all of it", async () => {
    expect((await cluster.down()).code).toBe(0);
    expect(differences(before, await host.snapshot(NAME))).toEqual([]);
  });
});
