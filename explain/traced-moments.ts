import type { PodStatus } from "@raft2kube/api/gen/core/v1.ts";
import type { Dated, Moment } from "./moment.ts";

/** A span of a trace, as a component shows it at `/debug/traces` (OTLP's JSON encoding). */
interface JsonSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: readonly KeyValue[];
  readonly status?: { readonly message?: string; readonly code?: number };
}

interface KeyValue {
  readonly key: string;
  readonly value: {
    readonly stringValue?: string;
    readonly intValue?: number | string;
    readonly arrayValue?: { readonly values: readonly KeyValue["value"][] };
  };
}

/** The answer of one component. */
export interface Traces {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes?: readonly KeyValue[] };
    readonly scopeSpans: readonly { readonly spans: readonly JsonSpan[] }[];
  }[];
}

interface Step {
  readonly service: string;
  readonly span: JsonSpan;
  readonly attributes: ReadonlyMap<string, string>;
}

const NS_PER_US = 1_000;
const US_PER_MS = 1_000;
/** Spans of a write to the store, by which an object is found. */
const WRITES = ["Create etcd3", "GuaranteedUpdate etcd3"];
/** Spans without news: they only observe, take no time, or contain the ones that are shown. */
const LEFT_OUT = new RegExp(
  "^(audit|impersonation|SerializeObject|Create|Update|Patch|Delete|" +
    "Get|(Create|GuaranteedUpdate) etcd3|.*KV/Range|" +
    ".*/(List.*|PodSandboxStatus|ContainerStatus|ImageStatus))$",
);

/** Returns the steps of traces that are about the objects of a family, as moments. */
export function tracedMoments(family: readonly Dated[], answers: readonly Traces[]): Moment[] {
  const steps = answers.flatMap(stepsOf);
  const ofTrace = new Map<string, string>();
  for (const step of steps) {
    const of = family.find((each) => isAbout(step, each));
    if (of) ofTrace.set(step.span.traceId, `${of.kind} ${of.metadata.name ?? ""}`);
  }
  const bySpan = new Map(steps.map((step) => [step.span.spanId, step]));
  const depthOf = ({ span }: Step, left = DEPTH_MAX): number => {
    const parent = bySpan.get(span.parentSpanId ?? "");
    if (!parent || left === 0) return 0;
    return depthOf(parent, left - 1) + (LEFT_OUT.test(parent.span.name) ? 0 : 1);
  };
  return steps.flatMap((step): Moment[] => {
    const { service, span } = step;
    const of = ofTrace.get(span.traceId);
    if (of === undefined || LEFT_OUT.test(span.name)) return [];
    const start_ms = milliseconds(span.startTimeUnixNano);
    const took_ms = milliseconds(span.endTimeUnixNano) - start_ms;
    return [
      { at_ms: start_ms, took_ms, depth: depthOf(step), of, who: service, what: textOf(step) },
    ];
  });
}

/** Returns a time in milliseconds, to the microsecond: a number holds no more. */
function milliseconds(unixNano: string): number {
  return Math.round(Number(unixNano) / NS_PER_US) / US_PER_MS;
}

/** Traces are shallow; one from elsewhere may have a cycle. */
const DEPTH_MAX = 8;

function stepsOf({ resourceSpans }: Traces): Step[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = textsOf(resource.attributes).get("service.name") ?? "";
    return scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({ service, span, attributes: textsOf(span.attributes) })),
    );
  });
}

/** The proxy's write of rules, by the addresses of new endpoints. */
const RULES = "syncProxyRules";
const SEPARATOR = ", ";

/** Whether a step writes the object, or is about the pod. */
function isAbout({ span, attributes }: Step, { kind, metadata, status }: Dated): boolean {
  if (attributes.get("k8s.pod.uid") === metadata.uid) return true;
  const { podIP } = (status ?? {}) as PodStatus;
  if (span.name === RULES && podIP) {
    return attributes.get("addresses")?.split(SEPARATOR).includes(podIP) ?? false;
  }
  const plural = `${kind.toLowerCase()}s`;
  return (
    WRITES.includes(span.name) &&
    attributes.get("key") === `/registry/${plural}/${metadata.namespace}/${metadata.name}`
  );
}

function textsOf(attributes: readonly KeyValue[] = []): Map<string, string> {
  return new Map(attributes.map(({ key, value }) => [key, textOfValue(value)]));
}

function textOfValue({ stringValue, intValue, arrayValue }: KeyValue["value"]): string {
  if (arrayValue) return arrayValue.values.map(textOfValue).join(SEPARATOR);
  return stringValue ?? String(intValue ?? "");
}

/** Attributes that a reader wants beside a step's name. */
const SHOWN = [
  "user_agent.original",
  "http.response.status_code",
  "addresses",
  "k8s.node.name",
  "result",
];
/** Spans of the scheduler whose attributes are its plugins' verdicts and scores. */
const OF_PLUGINS = ["Filter", "Score"];

function textOf({ service, span, attributes }: Step): string {
  const all = service === "scheduler" && OF_PLUGINS.includes(span.name);
  const more = [...attributes].flatMap(([key, value]) => {
    if (all) return [`${key} ${value}`];
    return SHOWN.includes(key) ? [value] : [];
  });
  const why = span.status?.code === FAILED && span.status.message ? [span.status.message] : [];
  const texts = [...more, ...why];
  return texts.length === 0 ? span.name : `${span.name} (${texts.join("; ")})`;
}

/** OTLP's STATUS_CODE_ERROR. */
const FAILED = 2;
