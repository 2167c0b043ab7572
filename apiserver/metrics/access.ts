import {
  Count,
  CounterFamily,
  GaugeFamily,
  HistogramFamily,
  type Spread,
  exponentialBounds,
} from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import { ACCESS_BOUNDS_S, DEFAULT_BOUNDS_S } from "./bounds.ts";

const HOUR_s = 3_600;
const DAY_s = 24 * HOUR_s;
const EXPIRATION_BOUNDS_S = [
  0, HOUR_s / 2, HOUR_s, 2 * HOUR_s, 6 * HOUR_s, 12 * HOUR_s, DAY_s, 2 * DAY_s, 4 * DAY_s,
  7 * DAY_s, 30 * DAY_s, 90 * DAY_s, 180 * DAY_s, 360 * DAY_s,
];
/** The filters that every request passes (upstream's are more). */
const FILTER_BOUNDS_S = [1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1, 5, 10, 15, 30];

/** How often something came out so, and how long it took. */
interface Outcome {
  readonly count: Count;
  readonly duration: Spread;
}

/** Outcomes of one kind, by the values of one label. */
class Outcomes<T extends string> {
  readonly #byValue: Map<T, Outcome>;

  constructor(
    counts: CounterFamily,
    durations: HistogramFamily,
    label: string,
    values: readonly T[],
    more: Readonly<Record<string, string>> = {},
  ) {
    this.#byValue = new Map(values.map((value) => {
      const labels = { ...more, [label]: value };
      return [value, { count: counts.of(labels), duration: durations.of(labels) }];
    }));
  }

  add(value: T, seconds: number): void {
    const outcome = this.#byValue.get(value)!;
    outcome.count.add();
    outcome.duration.observe(seconds);
  }
}

type LegacyUse = "shown" | "manual" | "generated" | "invalid";

/** Who asks (upstream: endpoints/filters/metrics.go, authentication/token/cache). */
export class AuthenticationMetrics {
  readonly #outcomes: Outcomes<"success" | "failure" | "error">;
  readonly #users: CounterFamily;
  readonly #byUser = new Map<string, Count>();
  readonly #expirations: Spread;
  readonly #filter: Spread;
  readonly #looked: Outcomes<"hit" | "miss">;
  readonly #fetched: { ok: Count; error: Count };
  readonly #fetching: Count;
  readonly #validTokens: Count;
  readonly #legacyTokens: Readonly<Record<LegacyUse, Count>>;

  constructor(registry: Registry, filters: HistogramFamily) {
    const counter = (name: string, help: string) => new CounterFamily(registry, name, help);
    const histogram = (name: string, help: string, bounds: readonly number[]) =>
      new HistogramFamily(registry, name, help, bounds);
    this.#filter = filters.of({ filter: "authentication" });
    this.#outcomes = new Outcomes(
      counter("authentication_attempts", "Requests whose sender was looked for."),
      histogram("authentication_duration_seconds", "Time to find the sender.", ACCESS_BOUNDS_S),
      "result", ["success", "failure", "error"]);
    this.#users = counter("authenticated_user_requests", "Requests by kinds of user names.");
    this.#expirations = histogram("apiserver_client_certificate_expiration_seconds",
      "What is left of the lifetime of certificates that requests came with.",
      EXPIRATION_BOUNDS_S).of();
    const tokens = "authentication_token_cache";
    this.#looked = new Outcomes(
      counter(`${tokens}_request_total`, "Tokens looked for among those known."),
      histogram(`${tokens}_request_duration_seconds`, "Time to know a token.", DEFAULT_BOUNDS_S),
      "status", ["hit", "miss"]);
    const fetched = counter(`${tokens}_fetch_total`, "Tokens that were verified.");
    this.#fetched = { ok: fetched.of({ status: "ok" }), error: fetched.of({ status: "error" }) };
    this.#fetching = new GaugeFamily(registry, `${tokens}_active_fetch_count`,
      "Tokens being verified.").of({ status: "in_flight" });
    this.#validTokens = counter("serviceaccount_valid_tokens_total",
      "Service account tokens that were verified and believed.").of();
    const legacy = (name: string, help: string) =>
      counter(`serviceaccount_${name}_total`, help).of();
    this.#legacyTokens = {
      shown: legacy("legacy_tokens", "Tokens without an audience whose signature was right."),
      manual: legacy("legacy_manual_token_uses", "Uses of tokens in Secrets that somebody made."),
      generated: legacy("legacy_auto_token_uses", "Uses of tokens in Secrets that nobody made."),
      invalid: legacy("invalid_legacy_auto_token_uses", "Uses of tokens marked as invalid."),
    };
  }

  /** The sender was found to be this user; undefined when they showed what is not believed. */
  ended(user: string | undefined, seconds: number): void {
    this.#filter.observe(seconds);
    this.#outcomes.add(user === undefined ? "error" : "success", seconds);
    if (user === undefined) return;
    const kind = kindOfUser(user);
    let count = this.#byUser.get(kind);
    if (!count) this.#byUser.set(kind, (count = this.#users.of({ username: kind })));
    count.add();
  }

  /** The request came with a certificate that is good for so long. */
  expiresIn(seconds: number): void {
    this.#expirations.observe(seconds);
  }

  /** A token was known, or became it. */
  lookedForToken(status: "hit" | "miss", seconds: number): void {
    this.#looked.add(status, seconds);
  }

  /** A token is being verified; call what is returned with the outcome. */
  verifyToken(): (believed: boolean) => void {
    this.#fetching.add();
    return (believed) => {
      this.#fetching.add(-1);
      (believed ? this.#fetched.ok : this.#fetched.error).add();
    };
  }

  /** A token that ends by itself was believed. */
  believedBoundToken(): void {
    this.#validTokens.add();
  }

  /** A token of a Secret came, and what it turned out to be. */
  legacyToken(use: LegacyUse): void {
    this.#legacyTokens[use].add();
  }
}

/** A small set that all user names fall into: names themselves are no labels (upstream's). */
function kindOfUser(name: string): string {
  if (KNOWN_USERS.has(name)) return name;
  return name.includes("@") ? "email_id" : "other";
}

const KNOWN_USERS = new Set([
  "admin", "client", "kube_proxy", "kubelet", "system:serviceaccount:kube-system:default",
]);

type Verdict = "allow" | "deny" | "no-opinion";

/** Upstream's words for what an authorizer may say. */
const RESULTS: Readonly<Record<Verdict, "allowed" | "denied" | "no-opinion">> = {
  allow: "allowed",
  deny: "denied",
  "no-opinion": "no-opinion",
};

/** Outcomes of each mode of impersonation, made when there is the first. */
function byMode(
  counts: CounterFamily,
  durations: HistogramFamily,
): (mode: string) => Outcomes<"allowed" | "denied"> {
  const known = new Map<string, Outcomes<"allowed" | "denied">>();
  return (mode) => {
    const values = ["allowed", "denied"] as const;
    const made = known.get(mode) ?? new Outcomes(counts, durations, "decision", values, { mode });
    known.set(mode, made);
    return made;
  };
}

/** Whether they may (upstream: endpoints/filters/metrics.go, authorization/metrics). */
export class AuthorizationMetrics {
  readonly #outcomes: Outcomes<"allowed" | "denied" | "no-opinion">;
  readonly #decisions: CounterFamily;
  readonly #byAuthorizer = new Map<string, { allowed: Count; denied: Count }>();
  readonly #filter: Spread;
  readonly #impersonations: (mode: string) => Outcomes<"allowed" | "denied">;
  readonly #impersonationChecks: (mode: string) => Outcomes<"allowed" | "denied">;
  readonly #impersonationFilter: Spread;
  readonly #graph: HistogramFamily;
  readonly #byOperation = new Map<string, Spread>();

  constructor(registry: Registry, filters: HistogramFamily) {
    const counter = (name: string, help: string) => new CounterFamily(registry, name, help);
    const histogram = (name: string, help: string, bounds: readonly number[]) =>
      new HistogramFamily(registry, name, help, bounds);
    this.#filter = filters.of({ filter: "authorization" });
    this.#impersonationFilter = filters.of({ filter: "impersonation" });
    this.#outcomes = new Outcomes(
      counter("authorization_attempts_total", "Requests by whether they were allowed."),
      histogram("authorization_duration_seconds", "Time to decide that.", ACCESS_BOUNDS_S),
      "result", ["allowed", "denied", "no-opinion"]);
    this.#decisions = counter("apiserver_authorization_decisions_total",
      "What single authorizers decided.");
    const both = (name: string, what: string) => byMode(
      counter(`apiserver_impersonation_${name}_total`, `${what}.`),
      histogram(`apiserver_impersonation_${name}_duration_seconds`, `Time of that.`,
        ACCESS_BOUNDS_S));
    this.#impersonations = both("attempts", "Requests made as somebody else");
    this.#impersonationChecks = both("authorization_attempts", "Rights asked for to do so");
    this.#graph = histogram("node_authorizer_graph_actions_duration_seconds",
      "Time to take a change into the graph of what nodes may see.",
      exponentialBounds(0.0001, 2, 12));
  }

  /** A request was decided about. */
  ended(verdict: Verdict, seconds: number): void {
    this.#filter.observe(seconds);
    this.#outcomes.add(RESULTS[verdict], seconds);
  }

  /** An authorizer decided, and with that all of them. */
  decided(authorizer: string, verdict: "allow" | "deny"): void {
    let counts = this.#byAuthorizer.get(authorizer);
    if (!counts) {
      const count = (decision: string) =>
        this.#decisions.of({ type: authorizer, name: authorizer.toLowerCase(), decision });
      counts = { allowed: count("allowed"), denied: count("denied") };
      this.#byAuthorizer.set(authorizer, counts);
    }
    counts[verdict === "allow" ? "allowed" : "denied"].add();
  }

  /** Somebody asked to be somebody else. */
  impersonated(by: string | undefined, seconds: number): void {
    this.#impersonationFilter.observe(seconds);
    this.#impersonations(by ?? "").add(by === undefined ? "denied" : "allowed", seconds);
  }

  /** One part of that was decided about. */
  impersonationChecked(mode: string, allowed: boolean, seconds: number): void {
    this.#impersonationChecks(mode).add(allowed ? "allowed" : "denied", seconds);
  }

  /** The graph took in a change, such as `AddPod`. */
  graphChanged(operation: string, seconds: number): void {
    let spread = this.#byOperation.get(operation);
    if (!spread) {
      spread = this.#graph.of({ operation });
      this.#byOperation.set(operation, spread);
    }
    spread.observe(seconds);
  }
}

/** How long each request was on its way to its verb. */
export function filterDurations(registry: Registry): HistogramFamily {
  return new HistogramFamily(registry, "apiserver_request_filter_duration_seconds",
    "Time in each of the filters that a request passes.", FILTER_BOUNDS_S);
}
