import type { Span } from "@raft2kube/observe/trace/tracer.ts";
import { type Dated, type Moment, titleOf } from "./moment.ts";

/** A span that a component keeps, as it shows it at `/debug/traces`. */
export type KeptSpan = ReturnType<Span["toJSON"]>;

/** Spans of a write to the store, by which an object is found. */
const WRITES = ["Create etcd3", "GuaranteedUpdate etcd3"];
/** The proxy's write of rules, by the addresses of new endpoints. */
const RULES = "syncProxyRules";
/** Spans without news: they only observe, take no time, or contain the ones that are shown. */
const LEFT_OUT = new RegExp(
  "^(audit|impersonation|SerializeObject|Create|Update|Patch|Delete|" +
    "Get|(Create|GuaranteedUpdate) etcd3|.*KV/Range|" +
    ".*/(List.*|PodSandboxStatus|ContainerStatus|ImageStatus))$",
);
/** Attributes that a reader wants beside a step's name. */
const SHOWN = /^(user_agent.original|http.response.status_code|addresses|k8s.node.name|result)$/;
/** Spans of the scheduler whose attributes are its plugins' verdicts and scores. */
const OF_PLUGINS = ["Filter", "Score"];
/** Traces are shallow; one from elsewhere may have a cycle. */
const DEPTH_MAX = 8;

/** Returns the steps of traces that are about the objects of a family, as moments. */
export function tracedMoments(family: readonly Dated[], spans: readonly KeptSpan[]): Moment[] {
  const ofTrace = new Map<string, string>();
  for (const span of spans) {
    const of = family.find((each) => isAbout(span, each));
    if (of) ofTrace.set(span.traceId, titleOf(of));
  }
  const bySpan = new Map(spans.map((span) => [span.spanId, span]));
  const depthOf = ({ parentId = "" }: KeptSpan, left = DEPTH_MAX): number => {
    const parent = bySpan.get(parentId);
    if (!parent || left === 0) return 0;
    return depthOf(parent, left - 1) + (LEFT_OUT.test(parent.name) ? 0 : 1);
  };
  return spans.flatMap((span) => {
    const of = ofTrace.get(span.traceId);
    if (of === undefined || LEFT_OUT.test(span.name)) return [];
    const { service: who, start_ms: at_ms, end_ms } = span;
    return { at_ms, took_ms: end_ms - at_ms, depth: depthOf(span), of, who, what: textOf(span) };
  });
}

/** Whether a step writes the object, or is about the pod. */
function isAbout({ name, attributes }: KeptSpan, { kind, metadata, status }: Dated): boolean {
  if (attributes["k8s.pod.uid"] === metadata.uid) return true;
  if (name === RULES) return [attributes["addresses"]].flat().includes(status?.podIP ?? "");
  const key = `/registry/${kind.toLowerCase()}s/${metadata.namespace}/${metadata.name}`;
  return WRITES.includes(name) && attributes["key"] === key;
}

function textOf({ service, name, attributes, failure }: KeptSpan): string {
  const all = service === "scheduler" && OF_PLUGINS.includes(name);
  const texts = Object.entries(attributes).flatMap(([key, value]) => {
    const text = [value].flat().join(", ");
    return all ? `${key} ${text}` : SHOWN.test(key) ? text : [];
  });
  if (failure) texts.push(failure);
  return texts.length === 0 ? name : `${name} (${texts.join("; ")})`;
}
