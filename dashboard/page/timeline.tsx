import type { Event, Node } from "@raft2kube/api/gen/core/v1.ts";
import { isForbidden, isNotFound } from "@raft2kube/client-kube/errors.ts";
import { type Skews, skewsOf, skewText } from "@raft2kube/client-kube/object/node-clock.ts";
import { resourcePath } from "@raft2kube/client-kube/rest/resource.ts";
import * as of from "@raft2kube/client-kube/rest/resources.ts";
import { factsOf } from "@raft2kube/explain/facts.ts";
import type { Dated } from "@raft2kube/explain/moment.ts";
import { ownedBy, timelineOf } from "@raft2kube/explain/timeline.ts";
import { readSpans } from "@raft2kube/explain/traced-moments.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import { kube } from "./api.ts";
import type { Target } from "./kinds.ts";
import { Problem, useAsked } from "./widgets.tsx";

const INDENT_PX = 16;
/** Kinds that workloads and Services make. */
const MADE = [of.REPLICA_SETS, of.JOBS, of.PODS, of.ENDPOINT_SLICES];
/** Objects whose traces are asked for: the first, and the newest of those that it owns. */
const TRACED_MAX = 30;
const NODE_MS = 5_000;

/**
 * Asks the API server and the pods' kubelets for traces; those that keep none have no part, nor
 * has a node that is away or stolen: it does not keep the others' steps from the page.
 */
async function tracesOf(traced: readonly Dated[], nodes: readonly string[], skews: Skews) {
  const names = traced.flatMap(({ metadata, status }) => [metadata.name, status?.podIP]);
  const query = names.flatMap((name) => (name ? `name=${encodeURIComponent(name)}` : [])).join("&");
  const answers = ["", ...nodes].map(async (name) => {
    const at = name && resourcePath(of.NODES, { name, subresource: "proxy" });
    const path = `${at}/debug/traces?${query}`;
    const signal = name ? AbortSignal.timeout(NODE_MS) : undefined;
    const isNone = (thrown: unknown) => name !== "" || isForbidden(thrown) || isNotFound(thrown);
    const kept = await tolerate(kube.request({ method: "GET", path, signal }), isNone);
    // A node of an earlier version answers with an object: it shows no list of spans.
    return readSpans(kept, skews.get(name));
  });
  return (await Promise.all(answers)).filter((each) => each !== undefined);
}

/** The steps that followed from an object's last apply: writes, scheduling, the kubelet's. */
export default function Timeline({ object, kind }: Target) {
  const [found, problem] = useAsked(async () => {
    const facts = factsOf(kube, object.metadata.namespace ?? "");
    const made = MADE.map(async (type) => {
      const found = (await facts.all(type)) ?? [];
      return found.map((each) => ({ ...each, kind: type.kind ?? "" }));
    });
    const [events = [], ...others] = await Promise.all([facts.all<Event>(of.EVENTS), ...made]);
    const first = { ...object, kind: kind.kind } as Dated;
    const family = [first, ...ownedBy(first, others.flat())];
    const traced: Dated[] = family.slice(0, TRACED_MAX);
    const names = [...new Set(traced.flatMap(({ spec }) => spec?.nodeName ?? []))];
    const nodes = await Promise.all(names.map((name) => facts.one<Node>(of.NODES, name)));
    const skews = skewsOf(nodes.filter((each) => each !== undefined));
    const traces = await tracesOf(traced, names, skews);
    const moments = timelineOf(family, events, traces.flat(), skews);
    const clocks = names.flatMap((name) => skewText(skews, name) ?? []).join("; ");
    return { moments, clocks, isTraced: traces.length > 0, unseen: [...facts.unseen].join(", ") };
  }, [object]);
  const { moments = [], clocks = "", isTraced = true, unseen = "" } = found ?? {};
  const start_ms = moments[0]?.at_ms ?? 0;
  let shown_ms = 0;
  /** Seconds since the start, not before those above: some moments are dated in whole seconds. */
  const secondsOf = (at_ms: number) => {
    shown_ms = Math.max(shown_ms, at_ms - start_ms);
    return (shown_ms / 1000).toFixed(at_ms % 1000 ? 3 : 0);
  };
  return (
    <>
      <Problem text={problem} />
      <Problem text={unseen && `You may not read ${unseen}`} />
      <Problem text={clocks && `${clocks}: here its times are corrected by that`} />
      {!isTraced && (
        <p class="soft">
          Most times are whole seconds: no traces are kept, or you may not see them. A cluster keeps
          them that is started by r2k start --traces.
        </p>
      )}
      <ol class="events">
        {moments.map(({ at_ms, took_ms, depth = 0, of: object, who, what }) => (
          <li style={{ marginLeft: `${depth * INDENT_PX}px` }}>
            {secondsOf(at_ms)} s <b>{object}</b> {who}: {what}{" "}
            {took_ms !== undefined && `${took_ms.toFixed(1)} ms`}
          </li>
        ))}
      </ol>
    </>
  );
}
