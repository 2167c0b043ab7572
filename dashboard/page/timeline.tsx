import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { KubeError } from "@raft2kube/client-kube/errors.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import { type ResourceType, resourcePath } from "@raft2kube/client-kube/rest/resource.ts";
import {
  ENDPOINT_SLICES,
  EVENTS,
  JOBS,
  NODES,
  PODS,
  REPLICA_SETS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { Facts } from "@raft2kube/explain/facts.ts";
import type { Dated } from "@raft2kube/explain/moment.ts";
import { familyOf, type Report, timelineOf } from "@raft2kube/explain/timeline.ts";
import type { Traces } from "@raft2kube/explain/traced-moments.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import { get, kube } from "./api.ts";
import type { Target } from "./kinds.ts";
import { Problem, useAsked } from "./widgets.tsx";

const OBJECTS_MAX = 500;
/** Depths with a margin of their own in `main.css`. */
const DEPTHS = 4;
/** Kinds that workloads and Services make. */
const MADE = [REPLICA_SETS, JOBS, PODS, ENDPOINT_SLICES];

/** Objects whose traces are asked for: the first, and the newest of those that it owns. */
const TRACED_MAX = 30;

/** Asks the API server and the pods' kubelets for traces; those that keep none have no part. */
async function tracesOf(family: readonly Dated[]): Promise<Traces[]> {
  const traced = family.slice(0, TRACED_MAX) as (Dated & Partial<Pick<Pod, "spec" | "status">>)[];
  const names = traced.flatMap(({ metadata, status }) => [metadata.name, status?.podIP]);
  const query = names.flatMap((name) => (name ? `name=${encodeURIComponent(name)}` : [])).join("&");
  const nodes = new Set(traced.flatMap(({ spec }) => spec?.nodeName ?? []));
  const proxies = [...nodes].map((name) => resourcePath(NODES, { name, subresource: "proxy" }));
  const answers = await Promise.all(
    ["", ...proxies].map((place) =>
      tolerate(
        get<Traces>(`${place}/debug/traces?${query}`),
        (thrown) => thrown instanceof KubeError && NO_TRACES.includes(thrown.http),
      ),
    ),
  );
  return answers.filter((each) => each !== undefined);
}

/** Statuses of a server that keeps no traces, of a user that may not see them, of a node away. */
const NO_TRACES: readonly number[] = [403, 404, 503];

/** The steps that followed from an object's last apply: writes, scheduling, the kubelet's. */
export default function Timeline({ object, kind }: Target) {
  const [found, problem] = useAsked(async () => {
    const facts = new Facts(kube, object.metadata.namespace ?? "");
    const list = async <T extends KubeObject>(type: ResourceType): Promise<T[]> =>
      (await facts.all<T>(type, { limit: OBJECTS_MAX })) ?? [];
    const made = MADE.map(async (type) =>
      (await list(type)).map((each) => ({ ...each, kind: type.kind ?? "" })),
    );
    const [events, ...objects] = await Promise.all([list<Report>(EVENTS), ...made]);
    const [first, others] = [{ ...object, kind: kind.kind } as Dated, objects.flat() as Dated[]];
    const traces = await tracesOf(familyOf(first, others));
    const moments = timelineOf(first, others, events, traces);
    return { moments, isTraced: traces.length > 0, unseen: [...facts.unseen] };
  }, [object]);
  const { moments = [], isTraced = true, unseen = [] } = found ?? {};
  const start_ms = moments[0]?.at_ms ?? 0;
  return (
    <>
      <Problem text={problem} />
      <Problem text={unseen.length > 0 ? `You may not list ${unseen.join(", ")}` : undefined} />
      {!isTraced && (
        <p class="soft">
          Most times are whole seconds: no traces are kept, or you may not see them. A cluster keeps
          them that is started by r2k start --traces.
        </p>
      )}
      <ol class="events">
        {moments.map(({ at_ms, took_ms, depth = 0, of, who, what }) => (
          <li class={`depth-${Math.min(depth, DEPTHS)}`}>
            {(Math.max(0, at_ms - start_ms) / 1000).toFixed(at_ms % 1000 ? 3 : 0)} s <b>{of}</b>{" "}
            {who}: {what}
            {took_ms === undefined ? "" : ` ${took_ms.toFixed(1)} ms`}
          </li>
        ))}
      </ol>
    </>
  );
}
