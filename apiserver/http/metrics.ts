import { addMetric } from "@raft2kube/observe/families.ts";
import { Counter, Gauge, Histogram, metricsRegistry } from "@raft2kube/observe/metrics.ts";
import { exposeHeld } from "@raft2kube/observe/held.ts";
import { monitorLoop } from "@raft2kube/observe/loop-monitor.ts";
import { addProcessFigures } from "@raft2kube/observe/process-figures.ts";
import type { WatchCache } from "../cache/watch-cache.ts";
import type { Registry } from "../registry/registry.ts";
import { isSubresource } from "../subresources/dispatch.ts";
import type { RequestInfo } from "./request-info.ts";

const LABELS = [
  "verb", "dry_run", "group", "version", "resource", "subresource", "scope", "component",
] as const;
/** Upstream's, in seconds. */
const DURATIONS = [
  0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 45,
  60,
];
const SIZES = [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];

type Labels = Record<(typeof LABELS)[number], string>;

/** Why a request was ended by the server rather than answered. */
const TERMINATED = new Set([429, 504]);

/** One request that is being counted. */
export interface Counted {
  /** The length of an answer that is sent whole. */
  sent(bytes: number): void;
  end(code: number): void;
}

/** The server's own figures, under upstream's names. One set per server. */
export class Metrics {
  readonly registry = metricsRegistry();
  readonly #resources: Registry;
  /** How long the event loop was held: nothing may hold it for more than 50 ms. */
  readonly #loop = monitorLoop(this.registry);
  readonly #requests = this.#counter("apiserver_request_total", "Requests, by what came of them.", [
    ...LABELS, "code",
  ]);
  readonly #terminations = this.#counter("apiserver_request_terminations_total",
    "Requests that this server ended in self-defence.",
    [...LABELS.filter((name) => name !== "dry_run"), "code"]);
  readonly #durations = new Histogram({
    name: "apiserver_request_duration_seconds",
    help: "Time to answer, watches and other long requests left out.",
    labelNames: [...LABELS],
    buckets: DURATIONS,
    registers: [this.registry],
  });
  readonly #sizes = new Histogram({
    name: "apiserver_response_sizes",
    help: "Bytes of answers that are sent whole.",
    labelNames: LABELS.filter((name) => name !== "dry_run"),
    buckets: SIZES,
    registers: [this.registry],
  });
  readonly #inflight = this.#gauge("apiserver_current_inflight_requests",
    "Requests being worked on, by whether they write.", ["request_kind"]);
  readonly #long = this.#gauge("apiserver_longrunning_requests",
    "Watches, tunnels and logs being served.", LABELS.filter((name) => name !== "dry_run"));

  constructor(resources: Registry) {
    this.#resources = resources;
    exposeHeld(this.registry);
    addProcessFigures(this.registry);
    this.#exposeCaches();
  }

  close(): void {
    this.#loop.close();
  }

  /** Counts one request from now on. */
  begin(info: RequestInfo, long: boolean, dryRun: boolean): Counted {
    const started_ms = performance.now();
    const kind = ["get", "list", "watch"].includes(info.verb) ? "readOnly" : "mutating";
    const labels = this.#labelsOf(info, dryRun);
    const { dry_run: _dry, ...rest } = labels;
    this.#inflight.inc({ request_kind: kind });
    if (long) this.#long.inc(rest);
    return {
      sent: (bytes) => this.#sizes.observe(rest, bytes),
      end: (code) => {
        this.#inflight.dec({ request_kind: kind });
        if (long) this.#long.dec(rest);
        this.#requests.inc({ ...labels, code: String(code) });
        if (TERMINATED.has(code)) this.#terminations.inc({ ...rest, code: String(code) });
        if (!long) this.#durations.observe(labels, (performance.now() - started_ms) / 1000);
      },
    };
  }

  /**
   * What is not served is told without its name: who asks for a thousand names that nobody has must
   * not make a thousand rows.
   */
  #labelsOf(info: RequestInfo, dryRun: boolean): Labels {
    const { group, version, resource, subresource } = info;
    const dry_run = dryRun ? "All" : "";
    const verb = VERBS[info.verb] ?? "OTHER";
    const nothing = { group: "", version: "", resource: "", subresource: "", scope: "" };
    if (!info.resourceRequest) {
      const subresource = PATHS.find((path) => info.path === path) ?? "";
      return { ...nothing, verb, dry_run, subresource, component: "" };
    }
    const found = this.#resources.find(group, version, resource);
    const served = found && (subresource === "" || isSubresource(found.kind, subresource));
    if (!served) return { ...nothing, verb, dry_run, component: "apiserver" };
    const within = info.namespace === "" ? "cluster" : "namespace";
    const scope = info.name === "" ? within : "resource";
    return { verb, dry_run, group, version, resource, subresource, scope, component: "apiserver" };
  }

  /** What the caches hold and have sent, read when somebody asks. */
  #exposeCaches(): void {
    const expose = (
      type: "counter" | "gauge",
      name: string,
      help: string,
      read: (cache: WatchCache) => number,
    ) => addMetric(this.registry, { name, help, type }, () =>
      [...this.#resources.all()].flatMap(({ kind, startedCache: cache }) => {
        const labels = { group: kind.group, version: kind.version, resource: kind.plural };
        return cache ? [{ labels, value: read(cache) }] : [];
      }));
    expose("gauge", "apiserver_resource_objects", "Objects stored.", (cache) => cache.size);
    expose("gauge", "apiserver_registered_watchers", "Watches open.", (cache) => cache.watchers);
    expose("counter", "apiserver_watch_events_total", "Events sent to watchers.",
      (cache) => cache.eventsSent);
  }

  #counter(name: string, help: string, labelNames: readonly string[]): Counter {
    return new Counter({ name, help, labelNames: [...labelNames], registers: [this.registry] });
  }

  #gauge(name: string, help: string, labelNames: readonly string[]): Gauge {
    return new Gauge({ name, help, labelNames: [...labelNames], registers: [this.registry] });
  }
}

/** Upstream tells verbs by their methods but for those that a method does not tell. */
const VERBS: Readonly<Record<string, string>> = {
  get: "GET",
  head: "HEAD",
  options: "OPTIONS",
  list: "LIST",
  watch: "WATCH",
  create: "POST",
  post: "POST",
  update: "PUT",
  put: "PUT",
  patch: "PATCH",
  delete: "DELETE",
  deletecollection: "DELETECOLLECTION",
};

const PATHS = [
  "/api", "/apis", "/healthz", "/livez", "/readyz", "/metrics", "/version", "/openapi/v2",
  "/openapi/v3",
];
