import type { NodeMetrics, PodMetrics } from "@raft2kube/api/gen/metrics/v1beta1.ts";
import { type KubeObject, nameOf } from "@raft2kube/client-kube/object/object.ts";
import { POD_METRICS } from "@raft2kube/client-kube/rest/resources.ts";
import { addQuantity, parseQuantity, valueOf } from "@raft2kube/std/quantity.ts";
import { resource } from "./api.ts";
import Graphs, { type GraphOf } from "./graph.tsx";
import { isOf, type Target } from "./kinds.ts";
import { bytes } from "./widgets.tsx";

const NODE_METRICS = { ...POD_METRICS, plural: "nodes", kind: "NodeMetrics", namespaced: false };

/** Metrics of a node, or those of a pod's containers. */
type Metrics = KubeObject & Partial<Pick<NodeMetrics, "usage"> & Pick<PodMetrics, "containers">>;

const cores = (value: number): string =>
  value < 1 ? `${Math.round(value * 1_000)} m` : `${value.toFixed(1)} CPU`;

const GRAPHS: readonly GraphOf[] = [
  { title: "CPU", labels: ["used"], unit: cores, step: 0.001 },
  { title: "Memory", labels: ["used"], unit: bytes, step: 2 ** 20 },
];

/** CPU and memory of a pod or a node, from the moment when the view is opened. */
export default function Usage({ kind, object }: Target) {
  const type = isOf("nodes")({ kind }) ? NODE_METRICS : POD_METRICS;
  const ask = async () => {
    const { usage, containers = [] } = await resource<Metrics>(type).get(nameOf(object));
    const uses = usage ? [usage] : containers.map((each) => each.usage);
    const sum = (of: string) => uses.map((use) => use[of] ?? "0").reduce(addQuantity, "0");
    return [Number(parseQuantity(sum("cpu")).nanos) / 1e9, valueOf(sum("memory"))];
  };
  return (
    <Graphs label="Usage" of={GRAPHS} ask={ask}>
      From metrics.k8s.io, since this view was opened.
    </Graphs>
  );
}
