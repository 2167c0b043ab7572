import type {
  CrossVersionObjectReference,
  MetricIdentifier,
  MetricSpec,
} from "@raft2kube/api/gen/autoscaling/v2.ts";
import { formatLabelTerms, termsOf } from "@raft2kube/api/selector.ts";
import { isNotFound, KubeError } from "@raft2kube/client-kube/errors.ts";
import { timeOf } from "@raft2kube/client-kube/object/time.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { CodedError, messageOf } from "@raft2kube/std/errors.ts";
import { milliValueOf } from "@raft2kube/std/quantity.ts";
import { isRecord } from "@raft2kube/std/record.ts";
import { METRICS_VERSION_MS } from "../limits.ts";
import { ScalableKinds } from "../scalable-kinds.ts";
import type { PodMetric } from "./pod-metrics.ts";

/** A value of a metric, and the object that it is of. */
export interface MetricValue extends PodMetric {
  readonly name: string;
}

/** The answer to a metric that is not the pods' usage, or why there is none. */
export type MetricAnswer = { readonly values: readonly MetricValue[] } | { readonly error: string };

const CUSTOM = "custom.metrics.k8s.io";
const EXTERNAL = "external.metrics.k8s.io";
const CUSTOM_VERSIONS: readonly string[] = ["v1beta2", "v1beta1"];
/** The window of a value that names none (upstream's). */
const WINDOW_MS = 60_000;

/**
 * Reads metrics of other servers: `custom.metrics.k8s.io` about objects, `external.metrics.k8s.io`
 * about anything (k8s.io/metrics/pkg/client).
 */
export class MetricsApi {
  readonly #client: KubeClient;
  readonly #kinds: ScalableKinds;
  #version: { readonly known: Promise<string>; readonly until_ms: number } | undefined;

  constructor(client: KubeClient) {
    this.#client = client;
    this.#kinds = new ScalableKinds(client);
  }

  /** Reads a metric of type Object, Pods or External; `selector` is that of the pods. */
  async read(
    { object, pods, external }: MetricSpec,
    namespace: string,
    selector: string,
  ): Promise<MetricAnswer | undefined> {
    if (external) return await this.#external(namespace, external.metric);
    const asked = object ?? pods;
    if (asked === undefined) return undefined;
    try {
      const path = object ? await this.#pathOf(object.describedObject) : "pods/*";
      const query = { labelSelector: object ? "" : selector };
      const values = await this.#custom(namespace, path, asked.metric, query);
      if (object && values.length !== 1) {
        const count = `${values.length} results when we asked for exactly one`;
        throw new CodedError("COUNT", `the custom metrics API server returned ${count}`);
      }
      if (values.length > 0) return { values };
      return { error: "no metrics returned from custom metrics API" };
    } catch (thrown) {
      return { error: `unable to fetch metrics from custom metrics API: ${messageOf(thrown)}` };
    }
  }

  async #pathOf({ apiVersion = "", kind, name }: CrossVersionObjectReference): Promise<string> {
    const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
    // A reference must not lead out of its namespace.
    if (kind === "Namespace" && group === "") return "metrics";
    const found = await this.#kinds.find(group, kind);
    if (found === undefined) {
      const what = group === "" ? kind : `${kind}.${group}`;
      const why = `no matches for kind ${JSON.stringify(kind)} in group ${JSON.stringify(group)}`;
      throw new CodedError("KIND", `unable to map kind ${what} to resource: ${why}`);
    }
    const plural = group === "" ? found.plural : `${found.plural}.${group}`;
    return `${plural}/${encodeURIComponent(name)}`;
  }

  async #custom(
    namespace: string,
    path: string,
    { name, selector }: MetricIdentifier,
    query: Record<string, string>,
  ): Promise<MetricValue[]> {
    const metricLabelSelector = formatLabelTerms(termsOf(selector) ?? []);
    const version = await this.#customVersion();
    const below = `namespaces/${namespace}/${path}/${encodeURIComponent(name)}`;
    return await this.#list(`/apis/${CUSTOM}/${version}/${below}`, `${name}.${CUSTOM}`, {
      ...query,
      metricLabelSelector,
    });
  }

  async #external(namespace: string, { name, selector }: MetricIdentifier): Promise<MetricAnswer> {
    const path = `/apis/${EXTERNAL}/v1beta1/namespaces/${namespace}/${encodeURIComponent(name)}`;
    const labelSelector = formatLabelTerms(termsOf(selector) ?? []);
    try {
      const values = await this.#list(path, `${name}.${EXTERNAL}`, { labelSelector });
      if (values.length > 0) return { values };
      return { error: "no metrics returned from external metrics API" };
    } catch (thrown) {
      return { error: `unable to fetch metrics from external metrics API: ${messageOf(thrown)}` };
    }
  }

  async #list(path: string, what: string, query: Record<string, string>): Promise<MetricValue[]> {
    const given = Object.entries(query).filter(([, value]) => value !== "");
    const search = given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
    let answer: unknown;
    try {
      answer = await this.#client.request({ method: "GET", path: `${path}${search}` });
    } catch (thrown) {
      throw describedAs(thrown, what);
    }
    const { items } = isRecord(answer) ? answer : {};
    if (Array.isArray(items)) return items.map(valueOf);
    throw new CodedError("LIST", "the answer has no list of values");
  }

  /** The preferred version among those that are known here, asked from time to time. */
  #customVersion(): Promise<string> {
    const now_ms = this.#client.clock.monotonic();
    if (this.#version !== undefined && now_ms < this.#version.until_ms) return this.#version.known;
    const known = this.#askVersion();
    this.#version = { known, until_ms: now_ms + METRICS_VERSION_MS };
    known.catch(() => {
      if (this.#version?.known === known) this.#version = undefined;
    });
    return known;
  }

  async #askVersion(): Promise<string> {
    let group: { preferredVersion?: { version: string }; versions?: { version: string }[] };
    try {
      group = await this.#client.request({ method: "GET", path: `/apis/${CUSTOM}` });
    } catch (thrown) {
      if (!isNotFound(thrown)) throw thrown;
      throw new CodedError("GROUP", `no custom metrics API (${CUSTOM}) registered`);
    }
    const offered = [group.preferredVersion, ...(group.versions ?? [])];
    const found = offered.find((each) => CUSTOM_VERSIONS.includes(each?.version ?? ""));
    if (found !== undefined) return found.version;
    throw new CodedError("VERSION", "no known available metric versions found");
  }
}

/** Client-go's words for an answer that has no Status of its own. */
function describedAs(thrown: unknown, what: string): unknown {
  if (!(thrown instanceof KubeError)) return thrown;
  const texts: Readonly<Record<number, string>> = {
    404: "the server could not find the requested resource",
    503: "the server is currently unable to handle the request",
  };
  const text = texts[thrown.http];
  const isBare = thrown.status.reason === undefined || thrown.status.message === text;
  if (text === undefined || !isBare) return thrown;
  return new CodedError("HTTP", `${text} (get ${what})`);
}

/** Reads a value. Throws for one without an amount. */
function valueOf(item: unknown): MetricValue {
  if (!isRecord(item) || typeof item["value"] !== "string") {
    throw new CodedError("VALUE", "a value of the answer has no quantity");
  }
  const { describedObject, timestamp, windowSeconds, value } = item;
  const { name } = isRecord(describedObject) ? describedObject : {};
  const window_ms = typeof windowSeconds === "number" ? windowSeconds * 1_000 : WINDOW_MS;
  const time_ms = (typeof timestamp === "string" ? timeOf(timestamp) : undefined) ?? 0;
  const milli = Math.min(milliValueOf(value), Number.MAX_SAFE_INTEGER);
  return { name: typeof name === "string" ? name : "", milli, time_ms, window_ms };
}
