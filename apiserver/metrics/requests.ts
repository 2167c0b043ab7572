import {
  type Counter,
  familiesOf,
  type GaugeFamily,
  type Histogram,
  MetricArea,
} from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { own } from "@raft2kube/std/own.ts";
import { Known, PROMISE_BOUNDS_S, REQUEST_BOUNDS_S } from "./families.ts";
import {
  type LabelledRequest,
  type LabelledResource,
  labelsOf,
  placeOf,
  type RequestLabels,
  verbOf,
} from "./request-labels.ts";

const SIZE_BOUNDS = [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9];
const BODY_BOUNDS = Array.from({ length: 31 }, (_, i) => 50_000 + 100_000 * i);

/** Why a request was ended by the server rather than answered. */
const TERMINATED = new Set([429, 504]);

/** One request as far as its metrics go. */
export interface MeasuredRequest {
  readonly info: LabelledRequest;
  /** The requested resource, if it and its subresource are served. */
  readonly resource: LabelledResource | undefined;
  readonly query: URLSearchParams;
  /** The request may last: a watch, a log, a tunnel. */
  readonly longRunning: boolean;
  /** The request is an apply. */
  readonly apply: boolean;
}

export interface Counted {
  /** The length of the body that came with it. */
  received(bytes: number): void;
  /** The length of an answer that is sent whole. */
  sent(bytes: number): void;
  /** The request's answer was cut off. */
  aborted(): void;
  end(code: number): void;
}

/** Requests and their results (upstream: endpoints/metrics). */
export class RequestMetrics extends MetricArea {
  readonly #clock: Clock;
  readonly #families: Families;
  /** Requests under way, set by priority and fairness. */
  readonly current: { readonly readOnly: Counter; readonly mutating: Counter };
  readonly #late = this.counter(
    "apiserver_request_post_timeout_total",
    "Result of work whose request had timed out.",
  );
  /** Rows by labelled resource, of which a definition that changes has another, then by verb. */
  readonly #rows = new WeakMap<LabelledResource, Known<Row>>();
  /** The rows of requests without one. */
  readonly #others = new Known<Row>();

  constructor(registry: Registry, clock: Clock) {
    super(registry);
    this.#clock = clock;
    this.#families = families(registry);
    const current: GaugeFamily = this.gauge(
      "apiserver_current_inflight_requests",
      "Requests being worked on, by whether they write.",
    );
    this.current = {
      readOnly: current.of({ request_kind: "readOnly" }),
      mutating: current.of({ request_kind: "mutating" }),
    };
  }

  /** Counts one request from now on. */
  begin(request: MeasuredRequest): Counted {
    const { longRunning } = request;
    const from_ms = this.#clock.monotonic();
    const row = this.#rowOf(request);
    if (longRunning) row.open.add();
    return {
      received: (bytes) => row.received(bytes),
      sent: (bytes) => row.sent(bytes),
      aborted: () => row.aborted(),
      end: (code) => {
        const took_s = (this.#clock.monotonic() - from_ms) / 1_000;
        row.ended(code);
        if (longRunning) row.open.add(-1);
        else row.took(took_s);
      },
    };
  }

  /** Counts work that ended after its client got a 504. */
  endedLate(status: "ok" | "error"): void {
    this.#late.of({ source: "timeout-handler", status }).add();
  }

  #rowOf({ info, resource, query, apply }: MeasuredRequest): Row {
    const verb = verbOf(info, apply);
    const dryRun = dryRunOf(query);
    return this.#rowsOf(resource).of(
      `${verb} ${dryRun} ${placeOf(info, resource)}`,
      () => new Row(this.#families, labelsOf(info, resource, verb), dryRun, info.verb, resource),
    );
  }

  #rowsOf(resource: LabelledResource | undefined): Known<Row> {
    if (resource === undefined) return this.#others;
    const rows = this.#rows.get(resource) ?? new Known<Row>();
    this.#rows.set(resource, rows);
    return rows;
  }
}

/** Upstream's labels of the purposes of bodies. */
const BODY_VERBS: Readonly<Record<string, string>> = { deletecollection: "delete_collection" };

function dryRunOf(query: URLSearchParams): string {
  if (!query.has("dryRun")) return "";
  return query.getAll("dryRun").every((each) => each === "All") ? "All" : "invalid";
}

type Families = ReturnType<typeof families>;

/** The metrics of requests that have rows. */
function families(registry: Registry) {
  const { counter, gauge, histogram } = familiesOf(registry);
  const promised = "Time to answer what is no dry run.";
  return {
    requests: counter("apiserver_request_total", "Requests, by what came of them."),
    terminations: counter(
      "apiserver_request_terminations_total",
      "Requests that this server ended in self-defence.",
    ),
    aborts: counter("apiserver_request_aborts_total", "Requests whose answer was cut off."),
    open: gauge("apiserver_longrunning_requests", "Watches, tunnels and logs being served."),
    deprecated: gauge(
      "apiserver_requested_deprecated_apis",
      "Deprecated APIs that were asked for.",
    ),
    durations: histogram(
      "apiserver_request_duration_seconds",
      "Time to answer, watches and other long requests left out.",
      REQUEST_BOUNDS_S,
    ),
    promises: histogram(
      "apiserver_request_sli_duration_seconds",
      promised,
      PROMISE_BOUNDS_S,
    ).alsoAs(registry, "apiserver_request_slo_duration_seconds", promised),
    sizes: histogram(
      "apiserver_response_sizes",
      "Bytes of answers to reads that are sent whole.",
      SIZE_BOUNDS,
    ),
    bodies: histogram(
      "apiserver_request_body_size_bytes",
      "Bytes of requests' bodies.",
      BODY_BOUNDS,
    ),
  };
}

/** The counters of all requests with the same labels. */
class Row {
  readonly #families: Families;
  readonly #labels: RequestLabels & Readonly<Record<string, string>>;
  readonly #dryRun: string;
  readonly #verb: string;
  /**
   * Counters by status code, each created by its first use: a row has no samples without events.
   */
  readonly #codes = new Map<number, Counter>();
  #durations: Histogram | undefined;
  #promises: Histogram | undefined;
  #sizes: Histogram | undefined;
  #bodies: Histogram | undefined;
  #open: Counter | undefined;

  constructor(
    families: Families,
    labels: RequestLabels,
    dryRun: string,
    verb: string,
    resource: LabelledResource | undefined,
  ) {
    this.#families = families;
    this.#labels = { ...labels };
    this.#dryRun = dryRun;
    this.#verb = verb;
    if (resource?.kind.deprecated === undefined) return;
    const { group, version, resource: plural, subresource } = labels;
    const deprecated = { group, version, resource: plural, subresource, removed_release: "" };
    families.deprecated.of(deprecated).value = 1;
  }

  /** A request ended so; an answer of some codes was made by giving up. */
  ended(code: number): void {
    let count = this.#codes.get(code);
    if (count === undefined) {
      const labels = { ...this.#labels, dry_run: this.#dryRun, code: String(code) };
      count = this.#families.requests.of(labels);
      this.#codes.set(code, count);
    }
    count.add();
    if (!TERMINATED.has(code)) return;
    this.#families.terminations.of({ ...this.#labels, code: String(code) }).add();
  }

  aborted(): void {
    const { component: _component, ...labels } = this.#labels;
    this.#families.aborts.of(labels).add();
  }

  get open(): Counter {
    return (this.#open ??= this.#families.open.of(this.#labels));
  }

  took(seconds: number): void {
    const labels = this.#labels;
    const dry_run = this.#dryRun;
    (this.#durations ??= this.#families.durations.of({ ...labels, dry_run })).observe(seconds);
    if (dry_run === "") (this.#promises ??= this.#families.promises.of(labels)).observe(seconds);
  }

  sent(bytes: number): void {
    if (this.#labels.verb !== "GET" && this.#labels.verb !== "LIST") return;
    (this.#sizes ??= this.#families.sizes.of(this.#labels)).observe(bytes);
  }

  received(bytes: number): void {
    const { group, resource } = this.#labels;
    const verb = own(BODY_VERBS, this.#verb) ?? this.#verb;
    (this.#bodies ??= this.#families.bodies.of({ group, resource, verb })).observe(bytes);
  }
}
