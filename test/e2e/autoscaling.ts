import { existsSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import type { TestCluster } from "./cluster.ts";
import { kubectl120 } from "./kubectl-1.20.ts";

const KUBECTL_136 = join(import.meta.dirname, "../../.peers/bin/kubectl");
/** Metrics each 15 s, a look each 15 s, and a pod's first window. */
const TIMEOUT_MS = 300_000;

/** A pod that is busy while there is a file; by requests of 50m one of them is too much. */
const MANIFEST = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: busy }
spec:
  selector: { matchLabels: { app: busy } }
  template:
    metadata: { labels: { app: busy } }
    spec:
      terminationGracePeriodSeconds: 0
      containers:
        - name: main
          image: "r2k.local/busybox:1"
          command: [sh, -c, "while :; do [ -e /tmp/busy ] || sleep 1; done"]
          resources: { requests: { cpu: 50m, memory: 8Mi }, limits: { cpu: 300m } }
`;

/**
 * Measurements and autoscalers, by the real kubectl and the real kubelet. They wait for most of
 * their time, so they start with the file and go on while its other cases run.
 */
export function autoscalingCases(given: () => TestCluster): void {
  let scaling: Promise<PromiseSettledResult<void>[]>;
  beforeAll(() => {
    scaling = Promise.allSettled([scale(given())]);
  });

  it(
    "kubectl top shows usage, and an autoscaler follows it",
    async () => {
      for (const end of await scaling) if (end.status === "rejected") throw end.reason;
    },
    4 * TIMEOUT_MS,
  );
}

async function scale(within: TestCluster): Promise<void> {
  const cluster = await within.inNamespace("autoscaling");
  await cluster.apply(MANIFEST);
  await cluster.ask("rollout", "status", "deployment/busy", "--timeout=60s");
  await top(cluster);
  await follow(cluster);
  await cluster.ask("delete", "namespace", cluster.namespace, "--wait=false");
}

async function top(cluster: TestCluster): Promise<void> {
  const nodes = ["top", "nodes"];
  await cluster.until("the node's usage", nodes, (text) => /^NAME +CPU\(cores\)/.test(text));
  await cluster.until("the pod's", ["top", "pods", "-l", "app=busy"], (text) =>
    /^busy-/m.test(text),
  );
  const programs = [
    "kubectl",
    await kubectl120(),
    ...(existsSync(KUBECTL_136) ? [KUBECTL_136] : []),
  ];
  for (const program of programs) {
    const ask = async (...args: string[]) => {
      const { stdout, stderr, code } = await cluster.host.run(program, args, { env: cluster.env });
      expect(code, stderr).toBe(0);
      return stdout;
    };
    expect(await ask("top", "nodes")).toMatch(/\n\S+ +\d+m +\d+% +\d+Mi +\d+% *\n/);
    expect(await ask("top", "pods", "-A", "--sort-by=cpu")).toMatch(
      /^NAMESPACE +NAME +CPU\(cores\) +MEMORY\(bytes\) *\n\S+ +\S+ +\d+m +\d+Mi/,
    );
    const pods = await ask("top", "pods", "--containers", "-l", "app=busy");
    const row = /^POD +NAME +CPU\(cores\) +MEMORY\(bytes\) *\nbusy-\S+ +main +\d+m +\d+Mi/;
    expect(pods).toMatch(row);
    const [, pod = ""] = /(busy-\S+)/.exec(pods) ?? [];
    expect(await ask("top", "pod", pod)).toMatch(new RegExp(`\\n${pod} +\\d+m`));
  }
}

/** Up under load, and down when it ends. */
async function follow(cluster: TestCluster): Promise<void> {
  await cluster.ask("autoscale", "deployment", "busy", "--cpu-percent=80", "--min=1", "--max=3");
  const behavior = { scaleDown: { stabilizationWindowSeconds: 5 } };
  await cluster.ask("patch", "hpa", "busy", "-p", JSON.stringify({ spec: { behavior } }));
  const get = ["get", "hpa", "busy"];
  const head = /^NAME +REFERENCE +TARGETS +MINPODS +MAXPODS +REPLICAS +AGE\n/;
  const row = /\nbusy +Deployment\/busy +cpu: \d+%\/80% +1 +3 +1 /;
  await cluster.until(
    "a first measurement",
    get,
    (text) => head.test(text) && row.test(text),
    TIMEOUT_MS,
  );
  await cluster.ask("exec", "deploy/busy", "--", "touch", "/tmp/busy");
  const replicas = ["get", "deployment", "busy", "-o", "jsonpath={.status.readyReplicas}"];
  const [first = ""] = (await cluster.ask("get", "pods", "-l", "app=busy", "-o", "name")).split(
    "\n",
  );
  await cluster.until("three under load", replicas, (count) => count === "3", TIMEOUT_MS);
  await cluster.ask("exec", first, "--", "rm", "/tmp/busy");
  await cluster.until("one without", replicas, (count) => count === "1", TIMEOUT_MS);
  const said = await cluster.ask("describe", "hpa", "busy");
  expect(said).toMatch(/AbleToScale +True/);
  expect(said).toMatch(/ScalingActive +True +ValidMetricFound/);
  expect(said).toMatch(/SuccessfulRescale .* New size: 3; reason: cpu resource utilization/);
  expect(said).toMatch(/SuccessfulRescale .* reason: All metrics below target/);
}
