import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import { ASK_MS, type TestCluster } from "./cluster.ts";
import { sharedCluster } from "./shared-cluster.ts";

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await sharedCluster("storage");
  // Volumes of others' claims are deleted with their namespaces.
  const gone = async () => (await volumesOnDisk()).length === 0;
  await waitFor("others' volumes to go", gone, { clock: machineClock() });
});

afterAll(() => cluster?.leave());

const volumesOnDisk = () => readdir(join(cluster.host.dir, "data", cluster.name, "csi/volumes"));

const claim = (name: string) => `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: { name: ${name} }
spec:
  accessModes: [ReadWriteOnce]
  resources: { requests: { storage: 8Mi } }
`;

const pod = (name: string, command: string, volume: string) => `
apiVersion: v1
kind: Pod
metadata: { name: ${name} }
spec:
  restartPolicy: Never
  terminationGracePeriodSeconds: 1
  containers:
    - name: main
      image: r2k.local/busybox:1
      imagePullPolicy: IfNotPresent
      command: [sh, -c, ${JSON.stringify(command)}]
      volumeMounts: [{ name: data, mountPath: /data }]
  volumes:
    - name: data
      ${volume}
`;

const claimed = (name: string) => `persistentVolumeClaim: { claimName: ${name} }`;

async function succeeded(name: string): Promise<void> {
  const phase = ["get", "pod", name, "-o", "jsonpath={.status.phase}"];
  const ended = await cluster.until(`${name} to end`, phase, (text) => /ed$/.test(text));
  expect(ended, await cluster.ask("describe", "pod", name)).toBe("Succeeded");
}

describe("persistent storage", () => {
  it("the driver registers: CSINode, topology label", async () => {
    const drivers = ["get", "csinodes", "-o", "jsonpath={.items[*].spec.drivers[*].name}"];
    await cluster.until("the driver", drivers, (names) => names === "hostpath.csi.r2k.dev");
    const labels = await cluster.ask("get", "nodes", "-o", "jsonpath={.items[0].metadata.labels}");
    expect(labels).toContain("topology.hostpath.csi.r2k.dev/node");
  });

  it("a claim waits for its pod, is provisioned where it runs, and outlives it", async () => {
    await cluster.apply(claim("data"));
    await cluster.apply(pod("writer", "echo kept > /data/file", claimed("data")));
    await succeeded("writer");
    expect(await cluster.ask("get", "pvc", "data", "-o", "jsonpath={.status.phase}")).toBe("Bound");
    const events = await cluster.ask("describe", "pvc", "data");
    expect(events).toMatch(/ProvisioningSucceeded/);
    await cluster.ask("delete", "pod", "writer");
    await cluster.apply(pod("reader", "grep -q kept /data/file", claimed("data")));
    await succeeded("reader");
    await cluster.ask("delete", "pod", "reader");
  });

  it("a claim takes no more of the disk than it asked for", async () => {
    const fill = "dd if=/dev/zero of=/data/big bs=1M count=64 && sleep 600; rm /data/big";
    await cluster.apply(pod("greedy", fill, claimed("data")));
    // Without loop devices the write succeeds, and the pod is evicted for it.
    const status = ["get", "pod", "greedy", "-o", "jsonpath={.status.phase} {.status.reason}"];
    await cluster.until("the bound", status, (text) => /^Succeeded|^Failed Evicted/.test(text));
    await cluster.ask("delete", "pod", "greedy");
  });

  it("a claim grows", async () => {
    const size = ["get", "pvc", "data", "-o", "jsonpath={.status.capacity.storage}"];
    expect(await cluster.ask(...size)).toBe("8Mi");
    const patch = '{"spec":{"resources":{"requests":{"storage":"16Mi"}}}}';
    await cluster.ask("patch", "pvc", "data", "-p", patch);
    await cluster.until("the new size", size, (text) => text === "16Mi");
  });

  it("a deleted claim's volume is deleted, on the disk too", async () => {
    expect(await volumesOnDisk()).toHaveLength(1);
    await cluster.ask("delete", "pvc", "data");
    await cluster.until("no volume", ["get", "pv", "-o", "name"], (text) => text === "");
    expect(await volumesOnDisk()).toEqual([]);
  });

  it("an inline volume is one pod's own and goes with it", async () => {
    const inline = "csi: { driver: hostpath.csi.r2k.dev }";
    await cluster.apply(pod("inline", "echo x > /data/file && sleep 600", inline));
    const phase = ["get", "pod", "inline", "-o", "jsonpath={.status.phase}"];
    await cluster.until("the pod to run", phase, (text) => text === "Running");
    expect(await volumesOnDisk()).toHaveLength(1);
    await cluster.ask("delete", "pod", "inline");
    expect(await volumesOnDisk()).toEqual([]);
  });

  it("every process is killed and started again: the pod and its volume never notice", async () => {
    await cluster.apply(claim("steady"));
    const loop = "while true; do date >> /data/file; sleep 0.2; done";
    await cluster.apply(pod("steady", loop, claimed("steady")));
    const phase = ["get", "pod", "steady", "-o", "jsonpath={.status.phase}"];
    await cluster.until("the pod to run", phase, (text) => text === "Running");
    await cluster.kill();
    await cluster.up(["--no-demo"]);
    const status = await cluster.ask("get", "pod", "steady", "-o", "jsonpath={.status}");
    expect(JSON.parse(status)).toMatchObject({
      phase: "Running",
      containerStatuses: [{ restartCount: 0 }],
    });
    const lines = async () =>
      Number(await cluster.ask("exec", "steady", "--", "sh", "-c", "wc -l < /data/file"));
    const before = await lines();
    await expect.poll(lines, { interval: ASK_MS }).toBeGreaterThan(before);
    await cluster.ask("delete", "pod", "steady");
    await cluster.ask("delete", "pvc", "steady");
    await cluster.until("no volume", ["get", "pv", "-o", "name"], (text) => text === "");
    expect(await volumesOnDisk()).toEqual([]);
  });

  it("a driver that is not there: FailedMount says so", async () => {
    await cluster.apply(pod("missing", "true", "csi: { driver: missing.example }"));
    const events = ["get", "events", "--field-selector", "involvedObject.name=missing"];
    const said = await cluster.until("an event", events, (text) => text.includes("FailedMount"));
    expect(said).toContain("driver name missing.example not found");
    await cluster.ask("delete", "pod", "missing");
  });
});
