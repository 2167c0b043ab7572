import { machineClock } from "@raft2kube/linux/proc/machine-clock.ts";
import { afterAll, expect, it } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import type { TestCluster } from "./cluster.ts";

const patience = { clock: machineClock(), timeout_ms: 60_000 };
/** Drained are these pods alone: the cluster has others that have work to do. */
const OURS = "drained=yes";
const EVERYTHING = ["--ignore-daemonsets", "--delete-emptydir-data", "--force"];

function pod(name: string, more = ""): string {
  return `
    metadata: { labels: { app: ${name}, drained: "yes" }${more} }
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{ name: main, image: "r2k.local/busybox:1", command: [sleep, "1000"] }]`;
}

function deployment(name: string, replicas: number, volumes = ""): string {
  return `
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name} }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: ${name} } }
  template:${pod(name)}${volumes}
`;
}

const MANIFEST = `${deployment("guarded", 2)}${deployment(
  "free",
  1,
  `
      volumes: [{ name: scratch, emptyDir: {} }]`,
)}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: { name: guard }
spec: { minAvailable: 1, selector: { matchLabels: { app: guarded } } }
---
apiVersion: apps/v1
kind: DaemonSet
metadata: { name: everywhere }
spec:
  selector: { matchLabels: { app: everywhere } }
  template:${pod("everywhere")}
`;

const BARE = `
apiVersion: v1
kind: Pod
metadata: { name: alone, labels: { drained: "yes" } }
spec:
  terminationGracePeriodSeconds: 1
  containers: [{ name: main, image: "r2k.local/busybox:1", command: [sleep, "1000"] }]
`;

async function podsOf(cluster: TestCluster, selector: string): Promise<string[]> {
  const names = "jsonpath={.items[*].metadata.name}";
  const said = await cluster.ask("get", "pods", "-l", selector, "-o", names);
  return said.split(" ").filter((name) => name !== "");
}

/** Drains a node with kubectl, and uncordons it. */
export function drainTests(cluster: () => TestCluster): void {
  const drain = (node: string, flags: readonly string[]) => [
    "drain",
    node,
    `--pod-selector=${OURS}`,
    ...flags,
  ];
  let node = "";
  // Others share the node.
  afterAll(async () => void (node && (await cluster().ask("uncordon", node))));

  it("drain refuses what it would lose, waits for a budget, and uncordon brings back", async () => {
    const at = cluster();
    node = await at.ask("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}");
    await at.apply(MANIFEST);
    await at.apply(BARE);
    await at.ask("rollout", "status", "daemonset/everywhere", "--timeout=90s");
    const [daemon = ""] = await podsOf(at, "app=everywhere");
    await at.ask("wait", "pods", "-l", OURS, "--for=condition=Ready", "--timeout=90s");
    const allowed = "jsonpath={.status.disruptionsAllowed}/{.status.expectedPods}";
    await at.until("the count", ["get", "pdb", "guard", "-o", allowed], (n) => n === "1/2");
    const before = await podsOf(at, "app=guarded");

    const refused = await at.kubectl(drain(node, []));
    expect(refused.code).toBe(1);
    const local = "cannot delete Pods with local storage (use --delete-emptydir-data to override)";
    for (const what of [
      `${local}: ${at.namespace}/free`,
      `declare no controller (use --force to override): ${at.namespace}/alone`,
      "cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore): " +
        `${at.namespace}/${daemon}`,
    ])
      expect(refused.stderr).toContain(what);

    const draining = at.startKubectl(drain(node, EVERYTHING));
    let output = "";
    for (const stream of [draining.stdout, draining.stderr]) {
      stream?.on("data", (chunk: Buffer) => (output += chunk.toString()));
    }
    const ended = new Promise<number | null>((resolve) => draining.on("exit", resolve));
    const none = "Cannot evict pod as it would violate the pod's disruption budget.";
    await waitFor("the budget to be asked", () => output.includes(none), patience);
    await at.until(
      "the others to go",
      ["get", "pods", "-l", OURS, "-o", "name"],
      (names) =>
        !names.includes("pod/alone") && before.filter((name) => names.includes(name)).length === 1,
    );
    expect(draining.exitCode).toBeNull();
    const patch = `{"spec":{"minAvailable":0}}`;
    await at.ask("patch", "pdb", "guard", "--type=merge", "-p", patch);
    expect([await ended, output]).toEqual([0, expect.stringMatching(/^node\/\S+ drained$/m)]);
    for (const name of before) expect(output).toContain(`pod/${name} evicted`);
    expect(await at.ask("get", "pod", daemon, "-o", "jsonpath={.status.phase}")).toBe("Running");
    const waiting = "jsonpath={.items[*].status.phase}";
    const phases = ["get", "pods", "-l", "app=guarded", "-o", waiting];
    await at.until("new pods to wait", phases, (all) => all === "Pending Pending");

    await at.ask("uncordon", node);
    for (const name of ["guarded", "free"]) {
      await at.ask("rollout", "status", `deployment/${name}`, "--timeout=90s");
    }
    const listed = ["deployment/guarded", "deployment/free", "ds/everywhere"];
    await at.ask("delete", "pdb/guard", ...listed, "--wait=false");
  });
}
