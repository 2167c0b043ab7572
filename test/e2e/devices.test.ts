import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { killed } from "../../testing/killed.ts";
import type { TestCluster } from "./cluster.ts";
import { sharedCluster } from "./shared-cluster.ts";

const START_TIMEOUT_MS = 300_000;
const STEP_TIMEOUT_MS = 300_000;
const ROOT = join(import.meta.dirname, "../..");

let cluster: TestCluster;
let plugin: ChildProcess;

function startPlugin(): ChildProcess {
  const kubeletDir = join(cluster.host.dir, "data", cluster.name, "kubelet");
  return cluster.host.start(
    join(ROOT, "r2k"),
    ["device-sample", "--kubelet-dir", kubeletDir, "--count", "2"],
    { timeout_ms: START_TIMEOUT_MS + 3 * STEP_TIMEOUT_MS },
  );
}

async function killPlugin(): Promise<void> {
  await killed(plugin, "SIGTERM");
}

beforeAll(async () => {
  cluster = await sharedCluster("devices");
  plugin = startPlugin();
});

afterAll(async () => {
  if (plugin?.exitCode === null) await killPlugin();
  await cluster?.leave();
});

const allocatable = (count: string, resource = "r2k\\.dev/sample") => {
  const get = ["get", "nodes", "-o", `jsonpath={.items[0].status.allocatable.${resource}}`];
  return cluster.until(`${count} allocatable`, get, (text) => text === count);
};

const pod = (name: string, count: number, resource = "r2k.dev/sample") => `
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
      command: [sh, -c, "sleep 600"]
      resources: { limits: { ${resource}: ${count} } }
`;

const phaseOf = (name: string) => ["get", "pod", name, "-o", "jsonpath={.status.phase}"];

describe("devices", () => {
  it("a plugin's resource shows on the node; a pod gets variable and device node", async () => {
    await allocatable("2");
    await cluster.apply(pod("one", 1));
    await cluster.until("the pod to run", phaseOf("one"), (text) => text === "Running");
    const shell = ["exec", "one", "--", "sh", "-c"];
    const id = await cluster.ask(...shell, "echo $R2K_SAMPLE_DEVICES");
    expect(id).toMatch(/^sample-[01]$/);
    const used = `test -c /dev/r2k/${id} && echo x > /dev/r2k/${id} && echo well`;
    expect(await cluster.ask(...shell, used)).toBe("well");
  });

  it("a pod that asks for more than there is waits, and says for what", async () => {
    await cluster.apply(pod("many", 2));
    const events = ["get", "events", "--field-selector", "involvedObject.name=many"];
    const said = await cluster.until("an event", events, (t) => t.includes("FailedScheduling"));
    expect(said).toContain("Insufficient r2k.dev/sample");
  });

  it("the plugin vanishes and returns; the pod that has its device runs on", async () => {
    await killPlugin();
    await allocatable("0");
    plugin = startPlugin();
    await allocatable("2");
    expect(await cluster.ask(...phaseOf("one"))).toBe("Running");
    await cluster.ask("delete", "pod", "one");
    await cluster.until("the other pod to run", phaseOf("many"), (text) => text === "Running");
  });

  it("a resource that is advertised on the Node alone is allocatable until it is taken off", async () => {
    const advertise = async (amount: string) => {
      const name = await cluster.ask("get", "nodes", "-o", "name");
      const patch = `{"status":{"capacity":{"example.com/dongle":${amount}}}}`;
      await cluster.ask("patch", name, "--subresource", "status", "--type", "merge", "-p", patch);
    };
    await advertise('"4"');
    await allocatable("4", "example\\.com/dongle");
    await cluster.apply(pod("dongled", 3, "example.com/dongle"));
    await cluster.until("the pod to run", phaseOf("dongled"), (text) => text === "Running");
    await cluster.ask("delete", "pod", "dongled", "--wait=false");
    await advertise("null");
    await allocatable("", "example\\.com/dongle");
  });

  it("the kubelet is killed and returns: plugins register again, devices stay held", async () => {
    await cluster.kill();
    await cluster.up(["--no-demo"]);
    await allocatable("2");
    const restarts = "jsonpath={.status.containerStatuses[0].restartCount}";
    expect(await cluster.ask("get", "pod", "many", "-o", restarts)).toBe("0");
    await cluster.apply(pod("late", 1));
    const events = ["get", "events", "--field-selector", "involvedObject.name=late"];
    await cluster.until("an event", events, (text) => text.includes("Insufficient r2k.dev/sample"));
    await cluster.ask("delete", "pod", "many");
    await cluster.until("the late pod to run", phaseOf("late"), (text) => text === "Running");
  });
});
