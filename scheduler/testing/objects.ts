import type { Node, Pod, PodSpec, Taint } from "@raft2kube/api/gen/core/v1.ts";
import type { Snapshot } from "../framework/snapshot.ts";
import { NodeInfo, podInfo } from "../node-info.ts";
import type { Workloads } from "../plugins/default-spread.ts";

/** Objects for tests, with the fields that the scheduler reads. */

export interface NodeShape {
  cpu?: string;
  memory?: string;
  pods?: string;
  extended?: Record<string, string>;
  labels?: Record<string, string>;
  taints?: Taint[];
  unschedulable?: boolean;
  images?: { names: string[]; sizeBytes: number }[];
  /** Whether each of the node's runtime handlers has user namespaces. */
  handlers?: Record<string, boolean>;
}

export function node(name: string, shape: NodeShape = {}): Node {
  const { cpu = "4", memory = "8Gi", pods = "110", extended = {} } = shape;
  const spec: NonNullable<Node["spec"]> = {};
  if (shape.taints) spec.taints = shape.taints;
  if (shape.unschedulable) spec.unschedulable = true;
  const runtimeHandlers = Object.entries(shape.handlers ?? {}).map(([handler, userNamespaces]) => ({
    name: handler,
    features: { userNamespaces },
  }));
  return {
    metadata: { name, labels: { "kubernetes.io/hostname": name, ...shape.labels } },
    spec,
    status: {
      allocatable: { cpu, memory, pods, ...extended },
      images: shape.images ?? [],
      runtimeHandlers,
    },
  };
}

export interface PodShape extends Partial<PodSpec> {
  requests?: Record<string, string>;
  labels?: Record<string, string>;
  namespace?: string;
  hostPort?: number;
  image?: string;
}

export function pod(name: string, shape: PodShape = {}): Pod {
  const { requests, labels = {}, namespace = "default", ...others } = shape;
  const { hostPort, image = "web:1", ...spec } = others;
  const ports = hostPort === undefined ? [] : [{ containerPort: hostPort, hostPort }];
  const resources = requests ? { requests } : {};
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, uid: `uid-${name}`, labels },
    spec: { containers: [{ name: "c", image, resources, ports }], ...spec },
  };
}

/** Returns a snapshot of nodes and their pods. */
export function snapshot(
  placed: [Node, Pod[]][],
  namespaces: Record<string, Record<string, string>> = {},
): Snapshot {
  const nodes = placed.map(([object, pods]) => {
    const info = new NodeInfo(object.metadata.name ?? "");
    info.setNode(object);
    for (const item of pods) info.add(podInfo(item));
    return info;
  });
  return {
    nodes,
    get: (name) => nodes.find((info) => info.name === name),
    namespaceLabels: (name) => namespaces[name] ?? {},
  };
}

/** Workloads of a cluster that has none. */
export const NO_WORKLOADS: Workloads = {
  services: () => [],
  replicationControllers: new Map(),
  replicaSets: new Map(),
  statefulSets: new Map(),
};

/** Runs all steps of a generator, and returns its result. */
export function resultOf<T>(steps: Iterator<void, T>): T {
  for (;;) {
    const { done, value } = steps.next();
    if (done) return value;
  }
}
