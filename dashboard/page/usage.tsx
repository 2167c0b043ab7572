import { type KubeObject, nameOf } from "@raft2kube/client-kube/object/object.ts";
import { POD_METRICS } from "@raft2kube/client-kube/rest/resources.ts";
import { parseQuantity, valueOf } from "@raft2kube/std/quantity.ts";
import { useState } from "preact/hooks";
import { resource, serverNow_ms } from "./api.ts";
import Graph, { type Points } from "./graph.tsx";
import { isOf, type Target } from "./kinds.ts";
import { Problem, useRepeated } from "./widgets.tsx";

const EVERY_MS = 5_000;
const POINTS_MAX = 720;
const NODE_METRICS = { ...POD_METRICS, plural: "nodes", kind: "NodeMetrics", namespaced: false };
const USED = ["used"];

export const cores = (value: number): string =>
  value < 1 ? `${Math.round(value * 1_000)} m` : `${value.toFixed(1)} CPU`;
export const mebibytes = (value: number): string => `${(value / 2 ** 20).toFixed(0)} MiB`;
type Use = { cpu?: string; memory?: string };
/** Metrics of a node, or those of a pod's containers. */
type Metrics = KubeObject & { usage?: Use; containers?: { usage: Use }[] };

/** Adds a point to lines every few seconds, as long as the view is open. */
export function usePoints(
  ask: (now_s: number) => Promise<(number | null)[]>,
  keys: unknown[],
): [Points | undefined, string | undefined] {
  const [points, setPoints] = useState<Points>();
  const problem = useRepeated(
    async () => {
      const now_s = serverNow_ms() / 1_000;
      return [now_s, ...(await ask(now_s))];
    },
    (values) =>
      setPoints(
        (before) =>
          values.map((value, i) => [...(before?.[i] ?? []), value].slice(-POINTS_MAX)) as Points,
      ),
    EVERY_MS,
    keys,
  );
  return [points, problem];
}

/** Some of the lines, with the times that are common to all. */
export const linesOf = ([times, ...lines]: Points, ...chosen: number[]): Points => [
  times,
  ...chosen.map((i) => lines[i - 1]!),
];

/** CPU and memory of a pod or a node, from the moment when the view is opened. */
export default function Usage({ kind, object }: Target) {
  const type = isOf("nodes")({ kind }) ? NODE_METRICS : POD_METRICS;
  const [points, problem] = usePoints(async () => {
    const found = await resource<Metrics>(type).get(nameOf(object));
    const uses = found.usage ? [found.usage] : (found.containers ?? []).map(({ usage }) => usage);
    const sum = (of: (use: Use) => number) => uses.reduce((total, use) => total + of(use), 0);
    return [
      sum(({ cpu = "0" }) => Number(parseQuantity(cpu).nanos) / 1e9),
      sum(({ memory = "0" }) => valueOf(memory)),
    ];
  }, [object.metadata.uid]);
  return (
    <>
      <Problem text={problem} />
      {points && <Graph title="CPU" labels={USED} unit={cores} points={linesOf(points, 1)} />}
      {points && (
        <Graph title="Memory" labels={USED} unit={mebibytes} points={linesOf(points, 2)} />
      )}
      <p class="soft">From metrics.k8s.io, since this view was opened.</p>
    </>
  );
}
