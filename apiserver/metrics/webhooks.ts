import { MetricArea } from "@raft2kube/observe/families.ts";

const BOUNDS_S = [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 25];
/** Other codes are counted as this one, so that the values of the label are bounded. */
const CODE_MAX = 600;

/** Upstream's words for the two passes. */
export type WebhookPass = "admit" | "validating";

export interface CalledHook {
  readonly name: string;
  readonly type: WebhookPass;
  readonly operation: string;
}

/** Upstream's classes of rejections. */
export type RejectionType = "calling_webhook_error" | "apiserver_internal_error" | "no_error";

/** Calls of admission webhooks (upstream: admission/metrics). */
export class WebhookMetrics extends MetricArea {
  readonly #durations = this.histogram(
    nameOf("webhook_admission_duration_seconds"),
    "Time that a webhook took.",
    BOUNDS_S,
  );
  readonly #requests = this.counter(nameOf("webhook_request_total"), "Calls of webhooks.");
  readonly #rejections = this.counter(
    nameOf("webhook_rejection_count"),
    "Requests that were rejected by a webhook or because its call failed.",
  );
  readonly #failedOpen = this.counter(
    nameOf("webhook_fail_open_count"),
    "Failed calls that the webhook's failure policy ignored.",
  );
  readonly #excluded = this.counter(
    nameOf("match_condition_exclusions_total"),
    "Requests that match conditions excluded.",
  );
  readonly #conditionErrors = this.counter(
    nameOf("match_condition_evaluation_errors_total"),
    "Match conditions that could not be evaluated.",
  );

  /** A call ended; `code` is 200 for one that allowed the request, 0 without an HTTP status. */
  called(hook: CalledHook, seconds: number, rejected: boolean, code: number): void {
    const labels = { ...hook, rejected: String(rejected) };
    this.#durations.of(labels).observe(seconds);
    this.#requests.of({ ...labels, code: codeLabel(code) }).add();
  }

  rejected(hook: CalledHook, error_type: RejectionType, code: number): void {
    this.#rejections.of({ ...hook, error_type, rejection_code: codeLabel(code) }).add();
  }

  failedOpen({ name, type }: CalledHook): void {
    this.#failedOpen.of({ name, type }).add();
  }

  excluded(labels: { name: string; kind: string; type: string; operation: string }): void {
    this.#excluded.of(labels).add();
  }

  conditionFailed(labels: { name: string; kind: string; type: string; operation: string }): void {
    this.#conditionErrors.of(labels).add();
  }
}

const nameOf = (metric: string): string => `apiserver_admission_${metric}`;

const codeLabel = (code: number): string =>
  String(Number.isInteger(code) && code >= 0 && code < CODE_MAX ? code : CODE_MAX);
