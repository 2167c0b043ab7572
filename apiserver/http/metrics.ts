import { Counter, Gauge, Histogram, metricsRegistry } from "@raft2kube/observe/metrics.ts";
import { exposeHeld } from "@raft2kube/observe/held.ts";
import { monitorLoop } from "@raft2kube/observe/loop-monitor.ts";
import type { RequestInfo } from "./request-info.ts";

/** The server's own figures, under upstream's names. One set per server. */
export class Metrics {
  readonly registry = metricsRegistry();
  /** How long the event loop was held: nothing may hold it for more than 50 ms. */
  readonly #loop = monitorLoop(this.registry);
  readonly #requests = new Counter({
    name: "apiserver_request_total",
    help: "Requests by verb, resource and code.",
    labelNames: ["verb", "group", "version", "resource", "subresource", "scope", "code"],
    registers: [this.registry],
  });
  readonly #durations = new Histogram({
    name: "apiserver_request_duration_seconds",
    help: "Time to answer, watches and other long requests left out.",
    labelNames: ["verb", "group", "version", "resource", "subresource", "scope"],
    buckets: [0.005, 0.025, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3, 10, 60],
    registers: [this.registry],
  });
  readonly #inflight = new Gauge({
    name: "apiserver_current_inflight_requests",
    help: "Requests being worked on, by whether they write.",
    labelNames: ["request_kind"],
    registers: [this.registry],
  });

  constructor() {
    exposeHeld(this.registry);
  }

  close(): void {
    this.#loop.close();
  }

  /** Counts one request from now until the function returned is called with its code. */
  begin(info: RequestInfo, long: boolean): (code: number) => void {
    const started_ms = performance.now();
    const kind = ["get", "list", "watch"].includes(info.verb) ? "readOnly" : "mutating";
    this.#inflight.inc({ request_kind: kind });
    return (code) => {
      this.#inflight.dec({ request_kind: kind });
      const labels = labelsOf(info);
      this.#requests.inc({ ...labels, code: String(code) });
      if (!long) this.#durations.observe(labels, (performance.now() - started_ms) / 1000);
    };
  }
}

function labelsOf(info: RequestInfo) {
  if (!info.resourceRequest) {
    return { verb: info.verb, group: "", version: "", resource: "", subresource: "", scope: "" };
  }
  const { group, version, resource, subresource } = info;
  const within = info.namespace === "" ? "cluster" : "namespace";
  const scope = info.name === "" ? within : "resource";
  return { verb: info.verb.toUpperCase(), group, version, resource, subresource, scope };
}
