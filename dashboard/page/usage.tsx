import type { NodeMetrics, PodMetrics } from "@raft2kube/api/gen/metrics/v1beta1.ts";
import { type KubeObject, nameOf } from "@raft2kube/client-kube/object/object.ts";
import { POD_METRICS } from "@raft2kube/client-kube/rest/resources.ts";
import { addQuantity, parseQuantity, valueOf } from "@raft2kube/std/quantity.ts";
import { resource } from "./api.ts";
import Graphs, { type GraphOf } from "./graph.tsx";
import { isOf, type Target } from "./kinds.ts";

const NODE_METRICS = { ...POD_METRICS, plural: "nodes", kind: "NodeMetrics", namespaced: false };

/** Metrics of a node, or those of a pod's containers. */
type Metrics = KubeObject & Partial<Pick<NodeMetrics, "usage"> & Pick<PodMetrics, "containers">>;

const GRAPHS: readonly GraphOf[] = [
  { title: "CPU, in thousandths", labels: ["used"], unit: " m" },
  { title: "Memory", labels: ["used"], unit: " MiB" },
];

export default function Usage({ kind, object }: Target) {
  const type = isOf("nodes")({ kind }) ? NODE_METRICS : POD_METRICS;
  const ask = async () => {
    const { usage, containers = [] } = await resource<Metrics>(type).get(nameOf(object));
    const uses = usage ? [usage] : containers.map((each) => each.usage);
    const sum = (of: string) => uses.map((use) => use[of] ?? "0").reduce(addQuantity, "0");
    return [Number(parseQuantity(sum("cpu")).nanos) / 1e6, valueOf(sum("memory")) / 2 ** 20];
  };
  return (
    <Graphs label="Usage" of={GRAPHS} ask={ask}>
      From metrics.k8s.io, since this view was opened.
    </Graphs>
  );
}
