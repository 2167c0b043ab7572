import {
  type Counter,
  DEFAULT_BOUNDS_S,
  exponentialBounds,
  familiesOf,
  type Histogram,
  type HistogramFamily,
} from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import { ACCESS_BOUNDS_S, Known, Outcomes } from "./families.ts";

const HOUR_s = 3_600;
const DAY_s = 24 * HOUR_s;
const EXPIRATION_BOUNDS_S = [
  0,
  HOUR_s / 2,
  HOUR_s,
  2 * HOUR_s,
  6 * HOUR_s,
  12 * HOUR_s,
  DAY_s,
  2 * DAY_s,
  4 * DAY_s,
  7 * DAY_s,
  30 * DAY_s,
  90 * DAY_s,
  180 * DAY_s,
  360 * DAY_s,
];
/** The filters that every request passes (upstream's are more). */
const FILTER_BOUNDS_S = [1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1, 5, 10, 15, 30];

/** How long each request was on its way to its verb. */
export function filterDurations(registry: Registry): HistogramFamily {
  return familiesOf(registry).histogram(
    "apiserver_request_filter_duration_seconds",
    "Time in each of the filters that a request passes.",
    FILTER_BOUNDS_S,
  );
}

/** The kinds of legacy token uses: their counters and help texts. */
const LEGACY_USES = {
  shown: ["legacy_tokens", "Tokens without an audience whose signature was right."],
  manual: ["legacy_manual_token_uses", "Uses of tokens in manually created Secrets."],
  generated: ["legacy_auto_token_uses", "Uses of generated tokens in Secrets."],
  invalid: ["invalid_legacy_auto_token_uses", "Uses of tokens marked as invalid."],
} as const;

type LegacyUse = keyof typeof LEGACY_USES;

const WEBHOOK_BOUNDS_S = [0.25, 0.5, 0.7, 1, 1.5, 3, 5, 10];

const KNOWN_USERS = new Set([
  "admin",
  "client",
  "kube_proxy",
  "kubelet",
  "system:serviceaccount:kube-system:default",
]);

/** A small set that all user names fall into: names themselves are no labels (upstream's). */
function kindOfUser(name: string): string {
  if (KNOWN_USERS.has(name)) return name;
  return name.includes("@") ? "email_id" : "other";
}

/** Authentication (upstream: endpoints/filters/metrics.go, authentication/token/cache). */
export class AuthenticationMetrics {
  readonly #outcomes: Outcomes<"success" | "failure" | "error">;
  readonly #userOf: (kind: string) => Counter;
  readonly #expirations: Histogram;
  readonly #filter: Histogram;
  readonly #cached: Outcomes<"hit" | "miss">;
  readonly #fetched: { ok: Counter; error: Counter };
  readonly #fetching: Counter;
  readonly #validTokens: Counter;
  readonly #legacyTokens: ReadonlyMap<string, Counter>;

  constructor(registry: Registry, filters: HistogramFamily) {
    const { counter, gauge, histogram } = familiesOf(registry);
    this.#filter = filters.of({ filter: "authentication" });
    this.#outcomes = new Outcomes(
      counter("authentication_attempts", "Requests whose sender was looked for."),
      histogram("authentication_duration_seconds", "Time to find the sender.", ACCESS_BOUNDS_S),
      "result",
      ["success", "failure", "error"],
    );
    const users = counter("authenticated_user_requests", "Requests by kinds of user names.");
    const knownUsers = new Known<Counter>();
    this.#userOf = (username) => knownUsers.of(username, () => users.of({ username }));
    this.#expirations = histogram(
      "apiserver_client_certificate_expiration_seconds",
      "What is left of the lifetime of certificates that requests came with.",
      EXPIRATION_BOUNDS_S,
    ).of();
    const tokens = "authentication_token_cache";
    this.#cached = new Outcomes(
      counter(`${tokens}_request_total`, "Tokens looked for among those known."),
      histogram(`${tokens}_request_duration_seconds`, "Time to know a token.", DEFAULT_BOUNDS_S),
      "status",
      ["hit", "miss"],
    );
    const fetched = counter(`${tokens}_fetch_total`, "Tokens that were verified.");
    this.#fetched = { ok: fetched.of({ status: "ok" }), error: fetched.of({ status: "error" }) };
    this.#fetching = gauge(`${tokens}_active_fetch_count`, "Tokens being verified.").of({
      status: "in_flight",
    });
    this.#validTokens = counter(
      "serviceaccount_valid_tokens_total",
      "Service account tokens that were verified and believed.",
    ).of();
    this.#legacyTokens = new Map(
      Object.entries(LEGACY_USES).map(([use, [name, help]]) => [
        use,
        counter(`serviceaccount_${name}_total`, help).of(),
      ]),
    );
  }

  /** The sender was found to be this user; undefined when they showed what is not believed. */
  ended(user: string | undefined, seconds: number): void {
    this.#filter.observe(seconds);
    this.#outcomes.add(user === undefined ? "error" : "success", seconds);
    if (user !== undefined) this.#userOf(kindOfUser(user)).add();
  }

  /** The request came with a certificate that is valid for `seconds` more. */
  expiresIn(seconds: number): void {
    this.#expirations.observe(seconds);
  }

  /** A token was known, or became it. */
  lookedForToken(status: "hit" | "miss", seconds: number): void {
    this.#cached.add(status, seconds);
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

  /** A token of a Secret came, with the result of its verification. */
  legacyToken(use: LegacyUse): void {
    this.#legacyTokens.get(use)!.add();
  }
}

type Decision = "allowed" | "denied" | "no-opinion";

/** Upstream's labels of an authorizer's decisions. */
const DECISIONS = { allow: "allowed", deny: "denied", "no-opinion": "no-opinion" } as const;

/** Calls of webhooks that authorize (upstream: authorizer/webhook/metrics, authorization/cel). */
function authorizationWebhooks(registry: Registry) {
  const { counter, histogram } = familiesOf(registry);
  const name = (of: string) => `apiserver_authorization_${of}`;
  return {
    evaluations: counter(name("webhook_evaluations_total"), "Questions to webhooks."),
    durations: histogram(name("webhook_duration_seconds"), "Time of those.", DEFAULT_BOUNDS_S),
    failedOpen: counter(
      name("webhook_evaluations_fail_open_total"),
      "Questions without an answer after which the next authorizer was asked.",
    ),
    requests: counter("apiserver_delegated_authz_request_total", "Questions by HTTP status."),
    latencies: histogram(
      "apiserver_delegated_authz_request_duration_seconds",
      "Time of those.",
      WEBHOOK_BOUNDS_S,
    ),
    conditionErrors: counter(
      name("match_condition_evaluation_errors_total"),
      "Match conditions that could not be evaluated.",
    ),
    exclusions: counter(
      name("match_condition_exclusions_total"),
      "Requests that match conditions exclude.",
    ),
    conditionSeconds: histogram(
      name("match_condition_evaluation_seconds"),
      "Time to evaluate match conditions.",
      [0.001, 0.005, 0.01, 0.025, 0.1, 0.2, 0.25],
    ),
  };
}

/** Whether they may (upstream: endpoints/filters/metrics.go, authorization/metrics). */
export class AuthorizationMetrics {
  readonly #outcomes: Outcomes<Decision>;
  readonly #decisionOf: (type: string, name: string, decision: Decision) => Counter;
  readonly #webhooks: ReturnType<typeof authorizationWebhooks>;
  readonly #filter: Histogram;
  readonly #impersonations: (mode: string) => Outcomes<Decision>;
  readonly #impersonationChecks: (mode: string) => Outcomes<Decision>;
  readonly #impersonationFilter: Histogram;
  readonly #graphChangeOf: (operation: string) => Histogram;

  constructor(registry: Registry, filters: HistogramFamily) {
    const { counter, histogram } = familiesOf(registry);
    this.#filter = filters.of({ filter: "authorization" });
    this.#impersonationFilter = filters.of({ filter: "impersonation" });
    this.#outcomes = new Outcomes(
      counter("authorization_attempts_total", "Requests by whether they were allowed."),
      histogram("authorization_duration_seconds", "Time to decide that.", ACCESS_BOUNDS_S),
      "result",
      ["allowed", "denied", "no-opinion"],
    );
    const decisions = counter(
      "apiserver_authorization_decisions_total",
      "What single authorizers decided.",
    );
    const byAuthorizer = new Known<Counter>();
    this.#decisionOf = (type, name, decision) =>
      byAuthorizer.of(`${type} ${name} ${decision}`, () => decisions.of({ type, name, decision }));
    this.#webhooks = authorizationWebhooks(registry);
    const byMode = (name: string, what: string) => {
      const family = `apiserver_impersonation_${name}`;
      const counters = counter(`${family}_total`, `${what}.`);
      const durations = histogram(`${family}_duration_seconds`, "Time of that.", ACCESS_BOUNDS_S);
      const known = new Known<Outcomes<Decision>>();
      return (mode: string) =>
        known.of(
          mode,
          () =>
            new Outcomes<Decision>(counters, durations, "decision", ["allowed", "denied"], {
              mode,
            }),
        );
    };
    this.#impersonations = byMode("attempts", "Impersonated requests");
    this.#impersonationChecks = byMode("authorization_attempts", "Checks of impersonation rights");
    const graph = histogram(
      "node_authorizer_graph_actions_duration_seconds",
      "Time to take a change into the graph of what nodes may see.",
      exponentialBounds(0.0001, 2, 12),
    );
    const byOperation = new Known<Histogram>();
    this.#graphChangeOf = (operation) => byOperation.of(operation, () => graph.of({ operation }));
  }

  /** A request was decided about. */
  ended(verdict: keyof typeof DECISIONS, seconds: number): void {
    this.#filter.observe(seconds);
    this.#outcomes.add(DECISIONS[verdict], seconds);
  }

  /** An authorizer decided, and with that all of them. */
  decided({ type, name }: { type: string; name: string }, verdict: "allow" | "deny"): void {
    this.#decisionOf(type, name, DECISIONS[verdict]).add();
  }

  /** A webhook was asked once, and answered with an HTTP status or, 0, not. */
  askedWebhook(name: string, result: string, http: number, seconds: number): void {
    const { evaluations, durations, requests, latencies } = this.#webhooks;
    evaluations.of({ name, result }).add();
    durations.of({ name, result }).observe(seconds);
    const code = http === 0 ? "<error>" : String(http);
    requests.of({ code }).add();
    latencies.of({ code }).observe(seconds);
  }

  /** A webhook gave no answer, and the next authorizer was asked. */
  webhookFailedOpen(name: string, result: string): void {
    this.#webhooks.failedOpen.of({ name, result }).add();
  }

  conditionsEvaluated(
    name: string,
    seconds: number,
    outcome: "match" | "exclusion" | "error",
  ): void {
    const labels = { type: "Webhook", name };
    this.#webhooks.conditionSeconds.of(labels).observe(seconds);
    if (outcome === "exclusion") this.#webhooks.exclusions.of(labels).add();
    if (outcome === "error") this.#webhooks.conditionErrors.of(labels).add();
  }

  /** Counts a request with impersonation headers. */
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
    this.#graphChangeOf(operation).observe(seconds);
  }
}
