import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import {
  DAEMON_SETS,
  DEPLOYMENTS,
  JOBS,
  PODS,
  REPLICA_SETS,
  REPLICATION_CONTROLLERS,
  STATEFUL_SETS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { NODE_COUNT } from "./fake-kubelet.ts";

const COUNT = 100;
const TIMEOUT_MS = 180_000;
const LOOK_MS = 20;

interface Counts {
  readyReplicas?: number;
  numberReady?: number;
  succeeded?: number;
  conditions?: { type: string }[];
}

type Counted = KubeObject & { spec: object; status?: Counts };

/** A kind of workload, and how one with 100 pods looks. */
export interface Kind {
  readonly name: string;
  readonly type: ResourceType;
  readonly spec: object;
  /** Whether its status says that all is there. */
  isThere(status: Counts): boolean;
}

const labels = { app: "bench" };
const template = (restartPolicy: "Always" | "Never") => ({
  metadata: { labels },
  spec: { restartPolicy, containers: [{ name: "c", image: "c:1" }] },
});
const replicated = (more: object = {}) => ({
  replicas: COUNT,
  selector: { matchLabels: labels },
  template: template("Always"),
  ...more,
});
const ready = ({ readyReplicas }: Counts) => readyReplicas === COUNT;

export const KINDS: readonly Kind[] = [
  { name: "Deployment", type: DEPLOYMENTS, spec: replicated(), isThere: ready },
  { name: "ReplicaSet", type: REPLICA_SETS, spec: replicated(), isThere: ready },
  {
    name: "ReplicationController",
    type: REPLICATION_CONTROLLERS,
    spec: replicated({ selector: labels }),
    isThere: ready,
  },
  {
    name: "StatefulSet, Parallel",
    type: STATEFUL_SETS,
    spec: replicated({ serviceName: "bench", podManagementPolicy: "Parallel" }),
    isThere: ready,
  },
  {
    name: "StatefulSet, OrderedReady",
    type: STATEFUL_SETS,
    spec: replicated({ serviceName: "bench" }),
    isThere: ready,
  },
  {
    name: `DaemonSet on ${NODE_COUNT} nodes`,
    type: DAEMON_SETS,
    spec: { selector: { matchLabels: labels }, template: template("Always") },
    isThere: ({ numberReady }) => numberReady === NODE_COUNT,
  },
  {
    name: "Job, 100 completions",
    type: JOBS,
    spec: { completions: COUNT, parallelism: COUNT, template: template("Never") },
    isThere: ({ succeeded, conditions }) =>
      succeeded === COUNT && conditions?.some(({ type }) => type === "Complete") === true,
  },
];

/** Creates one, waits until its status says that it is there, deletes it, waits for its pods. */
export async function run(
  client: KubeClient,
  { name, type, spec, isThere }: Kind,
): Promise<{ come_ms: number; go_ms: number }> {
  const resource = client.resource(type as ResourceType<Counted>);
  const place = { namespace: "default", name: "bench" };
  const until = (what: string, holds: () => Promise<boolean>) =>
    waitFor(`${name}: ${what}`, holds, {
      clock: client.clock,
      timeout_ms: TIMEOUT_MS,
      interval_ms: LOOK_MS,
    });
  const start_ms = performance.now();
  await resource.create({ metadata: place, spec });
  await until("to be there", async () => isThere((await resource.get(place)).status ?? {}));
  const there_ms = performance.now();
  await resource.delete(place, { propagationPolicy: "Background" });
  const pods = client.resource(PODS);
  await until(
    "no pods",
    async () => (await pods.list({ namespace: "default", limit: 1 })).items.length === 0,
  );
  return { come_ms: there_ms - start_ms, go_ms: performance.now() - there_ms };
}
