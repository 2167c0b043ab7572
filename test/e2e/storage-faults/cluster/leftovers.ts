import { join } from "node:path";
import { attachedLoopDevices } from "@raft2kube/linux/mount/loop-device.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { WaitTimeoutError } from "@raft2kube/std/wait.ts";
import { waitFor } from "../../../../testing/wait.ts";
import type { TestCluster } from "../../cluster.ts";
import { attachingData } from "./targets.ts";

const HEALING_MS = 120_000;
const LOOK_MS = 2_000;

/** Returns what is left of claims that are gone, once the cluster has had its time to clean up. */
export async function leftOf(cluster: TestCluster): Promise<string[]> {
  let left: string[] = [];
  const patience = { clock: systemClock(), timeout_ms: HEALING_MS, interval_ms: LOOK_MS };
  try {
    await waitFor(
      "no leftovers",
      async () => {
        left = await leftovers(cluster);
        return left.length === 0;
      },
      patience,
    );
    return [];
  } catch (thrown) {
    if (!(thrown instanceof WaitTimeoutError)) throw thrown;
    return left;
  }
}

async function leftovers(cluster: TestCluster): Promise<string[]> {
  const { dir } = cluster.host;
  const mounts = await cluster.host.run("cat", ["/proc/self/mountinfo"]);
  const points = mounts.stdout.split("\n").map((line) => line.split(" ")[4] ?? "");
  return [
    ...points.filter((point) => VOLUME.test(point)).map((point) => `mount ${point}`),
    ...attachedLoopDevices()
      .filter(({ file }) => file.startsWith(dir))
      .map(({ name, file }) => `${name} of ${file}`),
    ...(await directories(cluster)),
    ...(await objects(cluster)),
  ];
}

const VOLUME = /\/kubernetes\.io~csi\/|\/plugins\/kubernetes\.io\/csi\/|\/csi\/volumes\//;

async function directories(cluster: TestCluster): Promise<string[]> {
  const { dir } = cluster.host;
  const places = [
    ".*/csi/volumes/[^/]+",
    ".*/attaching/volumes/[^/]+",
    ".*/kubelet/pods/[^/]+/volumes/kubernetes.io~csi/[^/]+",
    ".*/plugins/kubernetes.io/csi/[^/]+/[^/]+",
  ];
  const regex = `\\(${places.join("\\|")}\\)`;
  const roots = [join(dir, "data"), attachingData(cluster)];
  const { stdout } = await cluster.host.run("find", [...roots, "-regex", regex]);
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => `directory ${line}`);
}

async function objects(cluster: TestCluster): Promise<string[]> {
  const kinds = "pods,pvc,pv,volumeattachments";
  const { code, stdout, stderr } = await cluster.kubectl(["get", kinds, "-o", "name"]);
  if (code !== 0) return [stderr.trim()];
  const lists = "jsonpath={.items[*].status.volumesInUse} {.items[*].status.volumesAttached}";
  const nodes = await cluster.kubectl(["get", "nodes", "-o", lists]);
  return [...stdout.split("\n"), nodes.stdout.trim()].filter((line) => line !== "");
}
