import { parseQuantity, valueOf } from "@raft2kube/std/quantity.ts";
import { useState } from "preact/hooks";
import { type AnyObject, get, serverNow_ms } from "./api.ts";
import Graph, { type Points } from "./graph.tsx";
import { Problem, useRepeated } from "./widgets.tsx";

const EVERY_MS = 5_000;
const POINTS_MAX = 720;
const METRICS = "/apis/metrics.k8s.io/v1beta1";

export const cores = (value: number): string =>
  value < 1 ? `${Math.round(value * 1_000)} m` : `${value.toFixed(1)} CPU`;
export const mebibytes = (value: number): string => `${(value / 2 ** 20).toFixed(0)} MiB`;
type Use = { cpu?: string; memory?: string };

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

/** CPU and memory of a pod or a node, from the moment when the view is opened. */
export default function Usage({ object, isNode }: { object: AnyObject; isNode: boolean }) {
  const { namespace = "", name } = object.metadata;
  const of = encodeURIComponent(name);
  const path = isNode
    ? `${METRICS}/nodes/${of}`
    : `${METRICS}/namespaces/${encodeURIComponent(namespace)}/pods/${of}`;
  const [points, problem] = usePoints(async () => {
    const found = await get<{ usage?: Use; containers?: { usage: Use }[] }>(path);
    const uses = found.usage ? [found.usage] : (found.containers ?? []).map(({ usage }) => usage);
    const sum = (of: (use: Use) => number) => uses.reduce((total, use) => total + of(use), 0);
    return [
      sum(({ cpu = "0" }) => Number(parseQuantity(cpu).nanos) / 1e9),
      sum(({ memory = "0" }) => valueOf(memory)),
    ];
  }, [path]);
  return (
    <>
      <Problem text={problem} />
      {points && (
        <>
          <Graph title="CPU" labels={["used"]} unit={cores} points={[points[0], points[1]!]} />
          <Graph
            title="Memory"
            labels={["used"]}
            unit={mebibytes}
            points={[points[0], points[2]!]}
          />
        </>
      )}
      <p class="soft">From metrics.k8s.io, since this view was opened.</p>
    </>
  );
}
