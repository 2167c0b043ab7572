import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { humanDuration } from "@raft2kube/api/human-duration.ts";
import { ATTRIBUTE_CHARS_MAX, SPANS_SHOWN_MAX } from "@raft2kube/observe/limits.ts";
import type { Span } from "@raft2kube/observe/trace/tracer.ts";
import type { Ownable } from "./owned.ts";

/** A span that a component keeps, as it shows it at `/debug/traces`. */
export type KeptSpan = ReturnType<Span["toJSON"]>;

/** An object that spans may be about. */
export interface Traced extends Ownable {
  readonly kind: string;
  readonly status?: Pod["status"];
  readonly spec?: { readonly nodeName?: string };
}

/** Steps that are shown; a crash loop has no end. */
const STEPS_MAX = 600;
/** Spans of a write to the store, by which an object is found. */
const WRITES = ["Create etcd3", "GuaranteedUpdate etcd3"];
/** Spans without news: they only observe, take no time, or contain the ones that are shown. */
const LEFT_OUT = new RegExp(
  "^(audit|impersonation|SerializeObject|Create|Update|Patch|Delete|" +
    "Get|(Create|GuaranteedUpdate) etcd3|.*KV/Range|" +
    ".*/(List.*|PodSandboxStatus|ContainerStatus|ImageStatus))$",
  "s",
);
/** Attributes that a reader wants beside a step's name. */
const SHOWN =
  /^(user_agent.original|http.response.status_code|addresses|connection|k8s.node.name|result)$/;
/** Traces are shallow; one from elsewhere may have a cycle. */
const DEPTH_MAX = 8;
/** An answer takes time, and `now_ms` may be of whole seconds: less is no difference of clocks. */
const SKEW_MS_MIN = 5_000;

/**
 * Reads what a component answers at `now_ms`, with the times of its spans by that clock, and how
 * far its own is ahead. A stolen node may answer anything: what is no span is left out. Undefined:
 * there is no list.
 */
export function readSpans(answer: unknown, now_ms: number) {
  const { spans, now_ms: its_ms } = (answer ?? {}) as { spans?: unknown; now_ms?: unknown };
  if (!Array.isArray(spans)) return undefined;
  const ahead_ms = Number.isFinite(its_ms) ? Number(its_ms) - now_ms : 0;
  const skew_ms = Math.abs(ahead_ms) < SKEW_MS_MIN ? 0 : ahead_ms;
  const found = spans.slice(0, SPANS_SHOWN_MAX).filter(isSpan);
  const dated = found.map(({ start_ms, end_ms, ...span }) => {
    return { ...span, start_ms: start_ms - skew_ms, end_ms: end_ms - skew_ms };
  });
  return { skew_ms, spans: dated };
}

/** `the clock of node-1 is 2m5s ahead of the API server's`. */
export function skewText(component: string, skew_ms: number): string {
  const by = humanDuration(Math.abs(skew_ms) / 1_000);
  const side = skew_ms > 0 ? "ahead of" : "behind";
  return `the clock of ${component} is ${by} ${side} the API server's`;
}

function isSpan(given: Partial<Record<keyof KeptSpan, unknown>> | null): given is KeptSpan {
  const { service, name, traceId, spanId, attributes, failure = "" } = given ?? {};
  const texts = [service, name, traceId, spanId, failure];
  return (
    texts.every((text) => typeof text === "string" && text.length <= ATTRIBUTE_CHARS_MAX) &&
    [given?.start_ms, given?.end_ms].every(Number.isFinite) &&
    typeof attributes === "object" &&
    attributes !== null &&
    Object.values(attributes)
      .flat()
      .every((value) => typeof value !== "object")
  );
}

/**
 * Returns the steps of traces that are about a family, the first object and all that it owns, in
 * order: one comes before its parts, which may start with it, whichever clock dated them.
 */
export function timelineOf(family: readonly Traced[], spans: readonly KeptSpan[]) {
  const titles = new Map<string, string>();
  const find = finderOf(family);
  for (const span of spans) {
    const of = find(span);
    const title = `${of?.kind} ${of?.metadata.name}`;
    for (const id of of ? [span.traceId, span.spanId] : []) titles.set(id, title);
  }
  const bySpan = new Map(spans.map((span) => [span.spanId, span]));
  /** The depth of a step, and its start, which is not before that of the whole. */
  const placeOf = ({ parentId = "", start_ms }: KeptSpan, left = DEPTH_MAX): [number, number] => {
    const parent = bySpan.get(parentId);
    if (!parent || left === 0) return [0, start_ms];
    const [depth, whole_ms] = placeOf(parent, left - 1);
    return [depth + (LEFT_OUT.test(parent.name) ? 0 : 1), Math.max(whole_ms, start_ms)];
  };
  return spans
    .flatMap((span) => {
      const of = titles.get(span.spanId) ?? titles.get(span.traceId);
      return of === undefined || LEFT_OUT.test(span.name) ? [] : stepOf(span, of, placeOf(span));
    })
    .sort((a, b) => a.at_ms - b.at_ms || a.depth - b.depth)
    .slice(0, STEPS_MAX);
}

/** A step that is dated before its cause comes with that, and says so from a second on. */
function stepOf(span: KeptSpan, of: string, [depth, at_ms]: [number, number]) {
  const { service: who, start_ms, end_ms } = span;
  const early_s = (at_ms - start_ms) / 1_000;
  const clock = early_s < 1 ? "" : ` (by a clock ${humanDuration(early_s)} behind, or more)`;
  const took_ms = Math.max(0, end_ms - start_ms);
  return { at_ms, took_ms, depth, of, who, what: textOf(span) + clock };
}

/** Returns what finds the object that a step writes, or the pod that it is about. */
function finderOf(family: readonly Traced[]) {
  const byId = new Map<unknown, Traced>();
  for (const each of family.toReversed()) {
    const { uid, namespace, name } = each.metadata;
    const key = `/registry/${each.kind.toLowerCase()}s/${namespace}/${name}`;
    for (const id of [uid, each.status?.podIP, key]) if (id) byId.set(id, each);
  }
  return ({ service, name, attributes }: KeptSpan): Traced | undefined => {
    const { "k8s.pod.uid": uid, addresses, key } = attributes;
    // The proxy's rules, and packets, are found by the addresses of endpoints.
    const others = service === "proxy" ? [addresses].flat() : WRITES.includes(name) ? [key] : [];
    const id = [uid, ...others].find((each) => byId.has(each));
    return byId.get(id);
  };
}

function textOf({ service, name, attributes, failure }: KeptSpan): string {
  // Their attributes are the plugins' verdicts and scores.
  const all = service === "scheduler" && /^(Filter|Score)$/.test(name);
  const texts = Object.entries(attributes).flatMap(([key, value]) => {
    const text = [value].flat().join(", ");
    return all ? `${key} ${text}` : SHOWN.test(key) ? text : [];
  });
  if (failure) texts.push(failure);
  return texts.length === 0 ? name : `${name} (${texts.join("; ")})`;
}
