import { own } from "@raft2kube/std/own.ts";
import {
  type Count,
  CounterFamily,
  GaugeFamily,
  HistogramFamily,
  type Spread,
} from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { PROMISE_BOUNDS_S, REQUEST_BOUNDS_S } from "./bounds.ts";
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
  /** What is asked for, where that and its subresource are served. */
  readonly resource: LabelledResource | undefined;
  readonly query: URLSearchParams;
  /** It may last: a watch, a log, a tunnel. */
  readonly long: boolean;
  /** It is an apply. */
  readonly apply: boolean;
}

/** A request that is being counted. */
export interface Counted {
  /** The length of the body that came with it. */
  received(bytes: number): void;
  /** The length of an answer that is sent whole. */
  sent(bytes: number): void;
  /** Its answer was cut off. */
  aborted(): void;
  end(code: number): void;
}

/** What requests there were and what came of them (upstream: endpoints/metrics). */
export class RequestMetrics {
  readonly #families: Families;
  readonly #clock: Clock;
  readonly #current: { reading: Count; writing: Count };
  readonly #late: CounterFamily;
  /** By what is asked for, then by how. */
  readonly #rows = new Map<LabelledResource | undefined, Map<string, Row>>();

  constructor(registry: Registry, clock: Clock) {
    this.#clock = clock;
    this.#families = new Families(registry);
    const current = new GaugeFamily(registry, "apiserver_current_inflight_requests",
      "Requests being worked on, by whether they write.");
    this.#current = {
      reading: current.of({ request_kind: "readOnly" }),
      writing: current.of({ request_kind: "mutating" }),
    };
    this.#late = new CounterFamily(registry, "apiserver_request_post_timeout_total",
      "What became of work whose client had been told that it takes too long.");
  }

  /** Counts one request from now on. */
  begin(request: MeasuredRequest): Counted {
    const { info, long } = request;
    const from_ms = this.#clock.monotonic();
    const row = this.#rowOf(request);
    const reading = info.verb === "get" || info.verb === "list";
    const current = reading ? this.#current.reading : this.#current.writing;
    if (long) row.open.add();
    else current.add();
    return {
      received: (bytes) => row.received(bytes),
      sent: (bytes) => row.sent(bytes),
      aborted: () => row.aborted(),
      end: (code) => {
        const took_s = (this.#clock.monotonic() - from_ms) / 1_000;
        row.code(code).add();
        if (TERMINATED.has(code)) row.terminated(code);
        if (long) row.open.add(-1);
        else {
          current.add(-1);
          row.took(took_s);
          if (WRITES.has(info.verb)) this.#families.validationOf(request.query).observe(took_s);
        }
      },
    };
  }

  /** Work that went on after its client was told 504 has ended, well or not. */
  endedLate(status: "ok" | "error"): void {
    this.#late.of({ source: "timeout-handler", status }).add();
  }

  #rowOf({ info, resource, query, apply }: MeasuredRequest): Row {
    const verb = verbOf(info, apply);
    const dryRun = dryRunOf(query);
    const key = `${verb} ${dryRun} ${placeOf(info, resource)}`;
    let rows = this.#rows.get(resource);
    if (!rows) this.#rows.set(resource, (rows = new Map<string, Row>()));
    let row = rows.get(key);
    if (!row) rows.set(key, (row = new Row(this.#families, info, resource, verb, dryRun)));
    return row;
  }
}

const WRITES = new Set(["create", "update", "patch"]);

/** Upstream's words for what bodies are for. */
const BODY_VERBS: Readonly<Record<string, string>> = { deletecollection: "delete_collection" };

function dryRunOf(query: URLSearchParams): string {
  if (!query.has("dryRun")) return "";
  return query.getAll("dryRun").every((each) => each === "All") ? "All" : "invalid";
}

/** The metrics of requests. */
class Families {
  readonly requests: CounterFamily;
  readonly terminations: CounterFamily;
  readonly aborts: CounterFamily;
  readonly open: GaugeFamily;
  readonly deprecated: GaugeFamily;
  readonly durations: HistogramFamily;
  readonly promises: HistogramFamily;
  readonly sizes: HistogramFamily;
  readonly bodies: HistogramFamily;
  readonly #validations: ReadonlyMap<string, Spread>;

  constructor(registry: Registry) {
    const counter = (name: string, help: string) =>
      new CounterFamily(registry, `apiserver_${name}`, help);
    const gauge = (name: string, help: string) =>
      new GaugeFamily(registry, `apiserver_${name}`, help);
    const histogram = (name: string, help: string, bounds: readonly number[]) =>
      new HistogramFamily(registry, name, help, bounds);
    this.requests = counter("request_total", "Requests, by what came of them.");
    this.terminations = counter("request_terminations_total",
      "Requests that this server ended in self-defence.");
    this.aborts = counter("request_aborts_total", "Requests whose answer was cut off.");
    this.open = gauge("longrunning_requests", "Watches, tunnels and logs being served.");
    this.deprecated = gauge("requested_deprecated_apis", "Deprecated APIs that were asked for.");
    this.durations = histogram("apiserver_request_duration_seconds",
      "Time to answer, watches and other long requests left out.", REQUEST_BOUNDS_S);
    const promised = "Time to answer what is no dry run.";
    this.promises = histogram("apiserver_request_sli_duration_seconds", promised, PROMISE_BOUNDS_S)
      .alsoAs(registry, "apiserver_request_slo_duration_seconds", promised);
    this.sizes = histogram("apiserver_response_sizes",
      "Bytes of answers to reads that are sent whole.", SIZE_BOUNDS);
    this.bodies = histogram("apiserver_request_body_size_bytes", "Bytes of requests' bodies.",
      BODY_BOUNDS);
    const validations = histogram("field_validation_request_duration_seconds",
      "Time to answer writes, by how unknown fields are taken.", PROMISE_BOUNDS_S);
    this.#validations = new Map(["", "Ignore", "Warn", "Strict", "invalid"].map((each) =>
      [each, validations.of({ field_validation: each })]));
  }

  validationOf(query: URLSearchParams): Spread {
    const asked = query.getAll("fieldValidation").join();
    return this.#validations.get(asked) ?? this.#validations.get("invalid")!;
  }
}

/** What is counted of all requests that are told by the same labels. */
class Row {
  readonly #families: Families;
  readonly #labels: RequestLabels;
  readonly #dryRun: string;
  readonly #info: Pick<LabelledRequest, "verb">;
  /** Made by the first that needs them: a row has no samples of what it never does. */
  readonly #codes = new Map<number, Count>();
  #durations: Spread | undefined;
  #promises: Spread | undefined;
  #sizes: Spread | undefined;
  #bodies: Spread | undefined;
  #open: Count | undefined;

  constructor(
    families: Families,
    info: LabelledRequest,
    resource: LabelledResource | undefined,
    verb: string,
    dryRun: string,
  ) {
    this.#families = families;
    this.#info = { verb: info.verb };
    this.#dryRun = dryRun;
    this.#labels = labelsOf(info, resource, verb);
    if (resource?.kind.deprecated === undefined) return;
    const { group, version, resource: plural, subresource } = this.#labels;
    const labels = { group, version, resource: plural, subresource, removed_release: "" };
    families.deprecated.of(labels).value = 1;
  }

  /** Requests that ended so. */
  code(code: number): Count {
    let count = this.#codes.get(code);
    if (!count) {
      const labels = { ...this.#labels, dry_run: this.#dryRun, code: String(code) };
      this.#codes.set(code, (count = this.#families.requests.of(labels)));
    }
    return count;
  }

  /** An answer of this code was made by giving up. */
  terminated(code: number): void {
    this.#families.terminations.of({ ...this.#labels, code: String(code) }).add();
  }

  aborted(): void {
    const { component: _component, ...labels } = this.#labels;
    this.#families.aborts.of(labels).add();
  }

  get open(): Count {
    return (this.#open ??= this.#families.open.of({ ...this.#labels }));
  }

  took(seconds: number): void {
    const labels = { ...this.#labels };
    const dry_run = this.#dryRun;
    (this.#durations ??= this.#families.durations.of({ ...labels, dry_run })).observe(seconds);
    if (dry_run === "") (this.#promises ??= this.#families.promises.of(labels)).observe(seconds);
  }

  sent(bytes: number): void {
    if (!["GET", "LIST"].includes(this.#labels.verb)) return;
    (this.#sizes ??= this.#families.sizes.of({ ...this.#labels })).observe(bytes);
  }

  received(bytes: number): void {
    const { group, resource } = this.#labels;
    const verb = own(BODY_VERBS, this.#info.verb) ?? this.#info.verb;
    (this.#bodies ??= this.#families.bodies.of({ group, resource, verb })).observe(bytes);
  }
}
