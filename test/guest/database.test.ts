import { existsSync, readdirSync, readFileSync } from "node:fs";
import { isErrno } from "@raft2kube/std/errors.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { killAll, TestCluster } from "../e2e/cluster.ts";
import { differences, type HostSnapshot } from "../e2e/host-snapshot.ts";
import { OwnHost } from "../e2e/own-host.ts";
import { Database } from "./database.ts";
import { DATABASE_IMAGE, provideDatabaseImage, REGISTRY_FLAGS } from "./database-image.ts";
import { guestsMissing, wallLimit_ms } from "./guest.ts";

const NAME = "rows";
/** The guest that serves NFS, and mounts it too. */
const SERVER = "nfs";
/** Another guest, whose kernel mounts NFS. */
const GUEST = "other";
/** A node without a kernel of its own. */
const NODE = "node-2";
const FLAGS = [
  "--no-demo",
  "--nodes",
  "3",
  "--nfs-demo",
  "--node-monitor-grace-period",
  "20s",
  "--ready-timeout",
  "120",
  ...REGISTRY_FLAGS,
];
const TIMEOUT_MS = wallLimit_ms(600_000);
/** How often each writer increments the counter. */
const ROUNDS = 20;

/** Minutes of a whole run that has 25: run when asked for. */
const ASKED = process.env["R2K_DATABASE"] !== undefined;
const isPossible =
  guestsMissing() === undefined && process.getuid?.() === 0 && existsSync("/usr/sbin/rpc.nfsd");

let host: OwnHost;
let cluster: TestCluster;
let before: HostSnapshot;
let local: Database;
let shared: Database;

beforeAll(async () => {
  if (!ASKED || !isPossible) return;
  host = await OwnHost.create();
  before = await host.snapshot(NAME);
  cluster = await TestCluster.startIn(host, NAME, FLAGS);
  const add = ["node", "add", GUEST, "--guest", "--memory", "768", "--name", NAME];
  const added = await host.r2k(add);
  expect(added.code, added.stderr).toBe(0);
  await provideDatabaseImage(cluster);
  local = new Database(cluster, "local");
  shared = new Database(cluster, "shared");
  const image = DATABASE_IMAGE;
  await local.create({ image, node: NODE, nodeSelector: {}, storageClass: "standard" });
  const nodeSelector = { "r2k.io/nfs-client": "true" };
  await shared.create({ image, node: GUEST, nodeSelector, storageClass: "nfs" });
  await local.untilReadyOn(NODE);
  await shared.untilReadyOn(GUEST);
}, TIMEOUT_MS);

afterAll(async () => {
  if (!ASKED || !isPossible) return;
  await host.r2k(["down", "--purge", "--name", NAME]);
  await host.close();
}, TIMEOUT_MS);

const CLAIM = `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: together }
spec:
  storageClassName: nfs
  accessModes: [ReadWriteMany]
  resources: { requests: { storage: 1Mi } }
`;

const writer = (node: string) => `
apiVersion: v1
kind: Pod
metadata: { name: writer-${node} }
spec:
  nodeName: ${node}
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: ${DATABASE_IMAGE}
      imagePullPolicy: IfNotPresent
      command: [sleep, "100000"]
      volumeMounts: [{ name: data, mountPath: /data }]
  volumes: [{ name: data, persistentVolumeClaim: { claimName: together } }]
`;

/** Kills the processes of a node, those of its containers too, as a machine's power failure. */
async function lose(node: string): Promise<void> {
  killAll((await cluster.processes()).filter(({ name }) => name === `node ${node}`));
  const cgroup = new RegExp(`:/r2k/${NAME}[^/]*\\.${node}/`);
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const isOfNode = cgroup.test(readFileSync(`/proc/${pid}/cgroup`, "utf8"));
      if (isOfNode) process.kill(Number(pid), "SIGKILL");
    } catch (thrown) {
      // It ended meanwhile.
      if (!isErrno(thrown, "ENOENT") && !isErrno(thrown, "ESRCH")) throw thrown;
    }
  }
  const ready = "jsonpath={.status.conditions[?(@.type=='Ready')].status}";
  const args = ["get", "node", node, "-o", ready];
  await cluster.until(`${node} to be Unknown`, args, (status) => status === "Unknown");
}

const inWriter = (node: string, script: string) =>
  cluster.ask("exec", `writer-${node}`, "--", "sh", "-c", script);

const TITLE = "a database in a StatefulSet keeps its rows";
describe.runIf(ASKED && isPossible)(TITLE, { timeout: TIMEOUT_MS }, () => {
  it("two nodes write to one NFS volume at once, and no write is lost", async () => {
    const nodes = [SERVER, GUEST];
    await cluster.apply([CLAIM, ...nodes.map(writer)].join("---"));
    const pods = nodes.map((node) => `pod/writer-${node}`);
    await cluster.ask("wait", "--for=condition=Ready", ...pods, "--timeout=150s");
    await inWriter(SERVER, "echo 0 > /data/count");
    const increment = "n=$(cat count); echo $((n + 1)) > count";
    const locked = `until flock -n lock sh -c '${increment}'; do :; done`;
    const script = (node: string) =>
      [
        "cd /data; i=0",
        `while [ $i -lt ${ROUNDS} ]; do`,
        `  ${locked}; echo $i >> own-${node}; i=$((i + 1))`,
        "done",
      ].join("\n");
    await Promise.all(nodes.map((node) => inWriter(node, script(node))));
    const rounds = Array.from({ length: ROUNDS }, (_, i) => i).join("\n");
    for (const node of nodes) {
      expect(await inWriter(node, "cat /data/count")).toBe(String(ROUNDS * nodes.length));
      for (const other of nodes) {
        expect(await inWriter(node, `cat /data/own-${other}`)).toBe(rounds);
      }
    }
    await cluster.ask("delete", ...pods, "pvc/together", "--timeout=60s");
  });

  it("hostPath: its node is lost in the middle of a write, and returns", async () => {
    const stop = await local.write(50);
    await lose(NODE);
    stop();
    await local.untilPlace(`${NODE} leaving`);
    await local.forceDelete();
    await local.untilEvent("FailedScheduling", "didn't match PersistentVolume's node affinity");
    expect(await local.place()).toBe("");
    const started = await host.r2k(["node", "start", NODE, "--name", NAME]);
    expect(started.code, started.stderr).toBe(0);
    await local.untilReadyOn(NODE);
    await local.check();
  });

  it("hostPath: its volume grows between two pods", async () => {
    await local.scale(0);
    await local.grow("256Mi");
    await local.scale(1);
    await local.untilReadyOn(NODE);
    expect(await local.size_MiB()).toBeGreaterThan(200);
    await local.check();
    (await local.write(10))();
    await local.check();
  });

  it("NFS: its node is lost in the middle of a write, and it runs on another", async () => {
    const stop = await shared.write(20);
    await lose(GUEST);
    stop();
    // It may still run there, for all that the cluster knows.
    await shared.untilPlace(`${GUEST} leaving`);
    const taint = "node.kubernetes.io/out-of-service=lost:NoExecute";
    await cluster.ask("taint", "node", GUEST, taint);
    await shared.untilReadyOn(SERVER);
    await shared.check();
  });

  it("NFS: its volume grows while it writes", async () => {
    const stop = await shared.write(10);
    await shared.grow("256Mi");
    stop();
    await shared.check();
  });

  it("is removed without a trace", async () => {
    expect((await cluster.down()).code).toBe(0);
    const left = differences(before, await host.snapshot(NAME));
    expect(left.filter((line) => !isOfTest(line))).toEqual([]);
  });
});

/** The registry, which ends with the host. */
const isOfTest = (line: string) => /docker-registry|:5000/.test(line);
