import type { Dated } from "@raft2kube/explain/moment.ts";
import { familyOf, type Report, timelineOf } from "@raft2kube/explain/timeline.ts";
import type { Traces } from "@raft2kube/explain/traced-moments.ts";
import { type AnyObject, ApiError, get, read } from "./api.ts";
import { Problem, useAsked } from "./widgets.tsx";

const OBJECTS_MAX = 500;
/** Depths with a margin of their own in `main.css`. */
const DEPTHS = 4;
/** Kinds that workloads and Services make, by their places in the API. */
const MADE: Readonly<Record<string, string>> = {
  "/apis/apps/v1 replicasets": "ReplicaSet",
  "/apis/batch/v1 jobs": "Job",
  "/api/v1 pods": "Pod",
  "/apis/discovery.k8s.io/v1 endpointslices": "EndpointSlice",
};

/** Objects whose traces are asked for: the first, and the newest of those that it owns. */
const TRACED_MAX = 30;

/** Asks the API server and the pods' kubelets for traces; those that keep none have no part. */
async function tracesOf(family: readonly Dated[]): Promise<Traces[]> {
  const traced = family.slice(0, TRACED_MAX);
  const query = traced
    .flatMap(({ metadata, status }) => [
      metadata.name,
      (status as { podIP?: string } | undefined)?.podIP,
    ])
    .flatMap((name) => (name ? `name=${encodeURIComponent(name)}` : []))
    .join("&");
  const nodes = new Set(
    traced.flatMap((each) => (each as { spec?: { nodeName?: string } }).spec?.nodeName ?? []),
  );
  const places = [
    "",
    ...[...nodes].map((node) => `/api/v1/nodes/${encodeURIComponent(node)}/proxy`),
  ];
  const answers = await Promise.all(
    places.map(async (place) => {
      try {
        return await get<Traces>(`${place}/debug/traces?${query}`);
      } catch (thrown) {
        if (thrown instanceof ApiError && NO_TRACES.includes(thrown.status)) return undefined;
        throw thrown;
      }
    }),
  );
  return answers.filter((each) => each !== undefined);
}

/** Statuses of a server that keeps no traces, of a user that may not see them, of a node away. */
const NO_TRACES: readonly number[] = [403, 404, 503];

/** The steps that followed from an object's last apply: writes, scheduling, the kubelet's. */
export default function Timeline({ object, kind }: { object: AnyObject; kind: string }) {
  const [found, problem] = useAsked(async () => {
    const within = `namespaces/${encodeURIComponent(object.metadata.namespace ?? "")}`;
    const unseen: string[] = [];
    const list = async <T,>(group: string, plural: string) => {
      const found = await read(`${group}/${within}/${plural}?limit=${OBJECTS_MAX}`);
      if (found === "forbidden") unseen.push(plural);
      return typeof found === "string" ? [] : ((found as { items?: T[] | null }).items ?? []);
    };
    const made = await Promise.all(
      Object.entries(MADE).map(async ([place, word]) => {
        const [group = "", plural = ""] = place.split(" ");
        return (await list<AnyObject>(group, plural)).map((each) => ({ ...each, kind: word }));
      }),
    );
    const events = await list<Report>("/api/v1", "events");
    const [first, others] = [{ ...object, kind } as Dated, made.flat() as Dated[]];
    const traces = await tracesOf(familyOf(first, others));
    const moments = timelineOf(first, others, events, traces);
    return { moments, isTraced: traces.length > 0, unseen };
  }, [object]);
  const { moments = [], isTraced = true, unseen = [] } = found ?? {};
  const start_ms = moments[0]?.at_ms ?? 0;
  return (
    <>
      <Problem text={problem} />
      <Problem text={unseen.length > 0 ? `You may not list ${unseen.join(", ")}` : undefined} />
      {isTraced ? undefined : (
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
