import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { markOf, OwnPart } from "../../labs/testing/own-part.ts";
import { TestCluster } from "../e2e/cluster.ts";
import { differences, type HostSnapshot } from "../e2e/host-snapshot.ts";
import { OwnHost } from "../e2e/own-host.ts";
import { guestsMissing, wallLimit_ms } from "./guest.ts";

// Takes turns, what this kernel may lack: see systemd.test.ts.

const NAME = "shared";
const TIMEOUT_MS = 300_000;
const LIMIT_MS = wallLimit_ms(TIMEOUT_MS);
const DEMO = ["start", "--name", NAME, "--no-demo", "--nfs-demo"];
const WRITERS = join(import.meta.dirname, "../../examples/nfs-writers.yaml");
const ASKED = process.env["R2K_NFS_DEMO"] !== undefined;
const isPossible =
  ASKED &&
  guestsMissing() === undefined &&
  process.getuid?.() === 0 &&
  existsSync("/usr/sbin/rpc.nfsd");

/** A reader's driver, used in the cluster as lab 17 says. */
let own: OwnPart;
let host: OwnHost;
let cluster: TestCluster;
let before: HostSnapshot;

beforeAll(async () => {
  if (!isPossible) return;
  own = new OwnPart("nfs-demo", ["17"]);
  host = await OwnHost.create();
  before = await host.snapshot(NAME);
}, LIMIT_MS);

afterAll(async () => {
  if (!isPossible) return;
  await host.r2k(["down", "--purge", "--name", NAME]);
  await host.close();
  own.remove();
}, LIMIT_MS);

const status = async () => {
  const { stdout } = await host.r2k(["status", "--name", NAME, "-o", "json"]);
  return JSON.parse(stdout) as {
    nfs: { server: string } | null;
    nodes: { ready: boolean }[];
    ownParts: string[];
  };
};

/** Waits until a node's writer has written a line after those that are there. */
async function writes(node: string): Promise<void> {
  const file = `/data/${node}`;
  const lines = ["exec", "daemonset/writers", "--", "wc", "-l", file];
  const count = (answer: string) => Number.parseInt(answer, 10);
  const first = count(await cluster.until(`a line of ${node}`, lines, (text) => count(text) > 0));
  await cluster.until(`another line of ${node}`, lines, (text) => count(text) > first);
}

describe.runIf(isPossible)("r2k start --nfs-demo", { timeout: LIMIT_MS }, () => {
  it("leaves nothing when it is interrupted after the server is there", async () => {
    const env = { R2K_INTERRUPT_AFTER: "nodes joined: nfs" };
    const { code, stderr } = await host.r2k(DEMO, { env, timeout_ms: TIMEOUT_MS });
    expect(code, stderr).toBe(130);
    expect(stderr).toContain("undoing this start");
    expect(differences(before, await host.snapshot(NAME))).toEqual([]);
  });

  it("two nodes write to one claim by a reader's driver; status shows the server", async () => {
    own.useUnjudged();
    const variables = ["R2K_ROOT", "R2K_LABS"].map((name) => `${name}=${own.env[name] ?? ""}`);
    host.program = ["env", ...variables, process.execPath, await own.bundle()];
    cluster = await TestCluster.startIn(host, NAME, ["--no-demo", "--nfs-demo"]);
    const added = await host.r2k(["node", "add", "other", "--guest", "--name", NAME]);
    expect(added.code, added.stderr).toBe(0);
    const { nfs, nodes, ownParts } = await status();
    expect(ownParts).toEqual(["17"]);
    const logged = await host.r2k(["logs", "node", "--node", "nfs", "--name", NAME]);
    expect(logged.stdout).toContain(markOf("17"));
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

  it("a pod elsewhere ends while the server is stopped, and the next one writes", async () => {
    const ofOther = ["-l", "app=writers", "--field-selector=spec.nodeName=other"];
    const pod = await cluster.ask("get", "pods", ...ofOther, "-o", "name");
    expect((await host.r2k(["node", "stop", "nfs", "--name", NAME])).code).toBe(0);
    await cluster.ask("delete", pod, "--timeout=90s");
    expect((await host.r2k(["node", "start", "nfs", "--name", NAME])).code).toBe(0);
    await cluster.ask("rollout", "status", "daemonset/writers", "--timeout=120s");
    await writes("other");
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

  it("a PersistentVolume of the in-tree kind is mounted from the server", async () => {
    const server = (await status()).nfs!.server.replace(":/", "");
    await cluster.apply(`
apiVersion: v1
kind: PersistentVolume
metadata: { name: in-tree }
spec:
  capacity: { storage: 16Mi }
  accessModes: [ReadWriteMany]
  storageClassName: ""
  persistentVolumeReclaimPolicy: Retain
  mountOptions: [nfsvers=4.1]
  nfs: { server: "${server}", path: /default/shared }
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: in-tree }
spec:
  storageClassName: ""
  volumeName: in-tree
  accessModes: [ReadWriteMany]
  resources: { requests: { storage: 16Mi } }
---
apiVersion: v1
kind: Pod
metadata: { name: in-tree }
spec:
  nodeName: other
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: r2k.local/busybox:1
      command: [sh, -c, "echo kept > /data/in-tree; exec sleep 600"]
      volumeMounts: [{ name: data, mountPath: /data }]
  volumes: [{ name: data, persistentVolumeClaim: { claimName: in-tree } }]`);
    const phase = ["get", "pod", "in-tree", "-o", "jsonpath={.status.phase}"];
    await cluster.until("the pod to run", phase, (text) => text === "Running", 120_000);
    const mounted = await cluster.ask("exec", "in-tree", "--", "grep", " /data ", "/proc/mounts");
    expect(mounted).toContain(`${server}:/default/shared /data nfs4`);
    const read = ["exec", "daemonset/writers", "--", "cat", "/data/in-tree"];
    await cluster.until("the file at the other node", read, (text) => text.trim() === "kept");
    await cluster.ask("delete", "pod,pvc,pv", "in-tree", "--timeout=60s");
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
