import {
  type Counter,
  type CounterFamily,
  DEFAULT_BOUNDS_S,
  type Histogram,
  MetricArea,
  type Timed,
  timedBy,
} from "@raft2kube/observe/families.ts";
import { ACCESS_BOUNDS_S } from "./families.ts";

const HOURS = [0, 0.5, 1, 2, 6, 12];
const DAYS = [1, 2, 4, 7, 30, 90, 180, 360];
const HOUR_S = 3_600;
const EXPIRATION_BOUNDS_S = [...HOURS, ...DAYS.map((days) => days * 24)].map((h) => h * HOUR_S);
const CONDITION_BOUNDS_S = [0.001, 0.005, 0.01, 0.025, 0.1, 0.2, 0.25];

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

const TOKENS = "authentication_token_cache";

/** Authentication (upstream: endpoints/filters/metrics.go, authentication/token/cache). */
export class AuthenticationMetrics extends MetricArea {
  readonly #attempts = timedBy(
    this.counter("authentication_attempts", "Requests whose sender was looked for."),
    this.histogram("authentication_duration_seconds", "Time to find the sender.", ACCESS_BOUNDS_S),
  );
  readonly #users = this.counter("authenticated_user_requests", "Requests by kinds of user names.");
  /** Seconds for which the certificate of a request is valid. */
  readonly certificateExpiration: Histogram = this.histogram(
    "apiserver_client_certificate_expiration_seconds",
    "What is left of the lifetime of certificates that requests came with.",
    EXPIRATION_BOUNDS_S,
  ).of();
  /** Whether a token was known when it came, and the time until it was. */
  readonly tokenCache: Timed = timedBy(
    this.counter(`${TOKENS}_request_total`, "Tokens looked for among those known."),
    this.histogram(`${TOKENS}_request_duration_seconds`, "Time to know a token.", DEFAULT_BOUNDS_S),
  );
  readonly #fetched = this.counter(`${TOKENS}_fetch_total`, "Tokens that were verified.");
  readonly #fetching = this.gauge(`${TOKENS}_active_fetch_count`, "Tokens being verified.").of({
    status: "in_flight",
  });
  /** Tokens that end by themselves. */
  readonly boundTokens: Counter = this.#tokens("valid_tokens", "Service account tokens believed.");
  /** Tokens of Secrets, by the result of their verification. */
  readonly legacyTokens: Readonly<Record<"shown" | "manual" | "generated" | "invalid", Counter>> = {
    shown: this.#tokens("legacy_tokens", "Tokens without an audience whose signature was right."),
    manual: this.#tokens("legacy_manual_token_uses", "Uses of tokens in manually made Secrets."),
    generated: this.#tokens("legacy_auto_token_uses", "Uses of generated tokens in Secrets."),
    invalid: this.#tokens("invalid_legacy_auto_token_uses", "Uses of tokens marked as invalid."),
  };

  #tokens(name: string, help: string): Counter {
    return this.counter(`serviceaccount_${name}_total`, help).of();
  }

  /** The sender was found to be this user; undefined when they showed what is not believed. */
  ended(user: string | undefined, seconds: number): void {
    this.#attempts({ result: user === undefined ? "error" : "success" }, seconds);
    if (user !== undefined) this.#users.of({ username: kindOfUser(user) }).add();
  }

  /** Counts a token while it is verified, and the outcome. */
  async verifying<T extends object | undefined>(verify: () => Promise<T>): Promise<T> {
    this.#fetching.add();
    let status = "error";
    try {
      const verdict = await verify();
      if (verdict !== undefined && !("refused" in verdict)) status = "ok";
      return verdict;
    } finally {
      this.#fetching.add(-1);
      this.#fetched.of({ status }).add();
    }
  }
}

/** Upstream's labels of an authorizer's decisions. */
const DECISIONS = { allow: "allowed", deny: "denied", "no-opinion": "no-opinion" } as const;

const AUTHORIZATION = "apiserver_authorization";
const IMPERSONATION = "apiserver_impersonation";

/**
 * Authorization, with its webhooks and impersonation (upstream: endpoints/filters/metrics.go,
 * authorization/metrics, authorizer/webhook/metrics, authorization/cel).
 */
export class AuthorizationMetrics extends MetricArea {
  readonly #attempts = timedBy(
    this.counter("authorization_attempts_total", "Requests by whether they were allowed."),
    this.histogram("authorization_duration_seconds", "Time to decide that.", ACCESS_BOUNDS_S),
  );
  readonly #decisions = this.counter(
    `${AUTHORIZATION}_decisions_total`,
    "Decisions that ended it.",
  );
  /** Records a question to a webhook with its `name` and `result`. */
  readonly webhookAsked: Timed = timedBy(
    this.counter(`${AUTHORIZATION}_webhook_evaluations_total`, "Questions to webhooks."),
    this.histogram(`${AUTHORIZATION}_webhook_duration_seconds`, "Time of those.", DEFAULT_BOUNDS_S),
  );
  /** Webhooks without an answer by `name` and `result`, after which the next was asked. */
  readonly failedOpen: CounterFamily = this.counter(
    `${AUTHORIZATION}_webhook_evaluations_fail_open_total`,
    "Questions without an answer after which the next authorizer was asked.",
  );
  readonly #conditionErrors = this.counter(
    `${AUTHORIZATION}_match_condition_evaluation_errors_total`,
    "Match conditions that could not be evaluated.",
  );
  readonly #exclusions = this.counter(
    `${AUTHORIZATION}_match_condition_exclusions_total`,
    "Requests that match conditions exclude.",
  );
  readonly #conditionSeconds = this.histogram(
    `${AUTHORIZATION}_match_condition_evaluation_seconds`,
    "Time to evaluate match conditions.",
    CONDITION_BOUNDS_S,
  );
  readonly #impersonations = this.#impersonation("attempts", "Impersonated requests.");
  /** Records a check with its `mode` and `decision`. */
  readonly impersonationChecked: Timed = this.#impersonation(
    "authorization_attempts",
    "Checks of impersonation rights.",
  );

  #impersonation(what: string, help: string): Timed {
    const name = `${IMPERSONATION}_${what}`;
    const durations = this.histogram(`${name}_duration_seconds`, "Time of those.", ACCESS_BOUNDS_S);
    return timedBy(this.counter(`${name}_total`, help), durations);
  }

  /** A request was decided about. */
  ended(verdict: keyof typeof DECISIONS, seconds: number): void {
    this.#attempts({ result: DECISIONS[verdict] }, seconds);
  }

  /** An authorizer decided, and with that all of them. */
  decided({ type, name }: { type: string; name: string }, verdict: "allow" | "deny"): void {
    this.#decisions.of({ type, name, decision: DECISIONS[verdict] }).add();
  }

  conditionsEvaluated(
    name: string,
    seconds: number,
    outcome: "match" | "exclusion" | "error",
  ): void {
    const labels = { type: "Webhook", name };
    this.#conditionSeconds.of(labels).observe(seconds);
    if (outcome === "exclusion") this.#exclusions.of(labels).add();
    if (outcome === "error") this.#conditionErrors.of(labels).add();
  }

  /** Counts a request with impersonation headers; `by` is the mode that allowed it. */
  impersonated(by: string | undefined, seconds: number): void {
    const decision = by === undefined ? "denied" : "allowed";
    this.#impersonations({ mode: by ?? "", decision }, seconds);
  }
}
