import { isForbidden, isNotFound } from "@raft2kube/client-kube/errors.ts";
import { type ResourceType, resourcePath } from "@raft2kube/client-kube/rest/resource.ts";
import * as of from "@raft2kube/client-kube/rest/resources.ts";
import { factsOf } from "@raft2kube/explain/facts.ts";
import { ownedBy } from "@raft2kube/explain/owned.ts";
import { readSpans, skewText, type Traced, timelineOf } from "@raft2kube/explain/timeline.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import { kube, serverNow_ms } from "./api.ts";
import type { Target } from "./kinds.ts";
import { Problem, useAsked } from "./widgets.tsx";

const INDENT_PX = 16;
/** Kinds that workloads and Services make. */
const MADE: readonly ResourceType[] = [of.REPLICA_SETS, of.JOBS, of.PODS, of.ENDPOINT_SLICES];
/** Objects whose traces are asked for: the first, and the newest of those that it owns. */
const TRACED_MAX = 30;
const NODE_MS = 5_000;

/**
 * Asks the API server and the pods' kubelets for traces; those that keep none have no part, nor
 * has a node that is away or stolen: it does not keep the others' steps from the page.
 */
async function tracesOf(traced: readonly Traced[], nodes: readonly string[]) {
  const names = traced.flatMap(({ metadata, status }) => [metadata.name, status?.podIP]);
  const query = names.flatMap((name) => (name ? `name=${encodeURIComponent(name)}` : [])).join("&");
  const answers = ["", ...nodes].map(async (name) => {
    const at = name && resourcePath(of.NODES, { name, subresource: "proxy" });
    const path = `${at}/debug/traces?${query}`;
    const signal = name ? AbortSignal.timeout(NODE_MS) : undefined;
    const isNone = (thrown: unknown) => name !== "" || isForbidden(thrown) || isNotFound(thrown);
    const kept = await tolerate(kube.request({ method: "GET", path, signal }), isNone);
    const read = readSpans(kept, serverNow_ms());
    return read && { ...read, name };
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
    const others = await Promise.all(made);
    const first = { ...object, kind: kind.kind } as Traced;
    const family = [first, ...ownedBy(first, others.flat())];
    const traced: Traced[] = family.slice(0, TRACED_MAX);
    const names = [...new Set(traced.flatMap(({ spec }) => spec?.nodeName ?? []))];
    const traces = await tracesOf(traced, names);
    const spans = traces.flatMap((each) => each.spans);
    const clocks = traces.flatMap(({ name, skew_ms }) => (skew_ms ? skewText(name, skew_ms) : []));
    const unseen = [...facts.unseen].join(", ");
    return { steps: timelineOf(family, spans), clocks: clocks.join("; "), unseen };
  }, [object]);
  const { steps, clocks, unseen } = found ?? {};
  return (
    <>
      <Problem text={problem} />
      <Problem text={unseen && `You may not read ${unseen}`} />
      <Problem text={clocks && `${clocks}: here its times are corrected by that`} />
      {steps?.length === 0 && (
        <p class="soft">
          No traces of it are kept, or you may not see them. A cluster keeps them that is started by
          r2k start --traces; one of another vendor shows none.
        </p>
      )}
      <ol class="events">
        {steps?.map(({ at_ms, took_ms, depth, of: object, who, what }) => (
          <li style={{ marginLeft: `${depth * INDENT_PX}px` }}>
            {((at_ms - steps[0]!.at_ms) / 1_000).toFixed(3)} s <b>{object}</b> {who}: {what}{" "}
            {took_ms.toFixed(1)} ms
          </li>
        ))}
      </ol>
    </>
  );
}
