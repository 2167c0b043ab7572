import {
  type Counter,
  type Histogram,
  type HistogramFamily,
  MetricArea,
} from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import { API_LEVEL } from "../object/version.ts";
import { Known, type Labels } from "./families.ts";

const BOUNDS_S = [0.005, 0.025, 0.1, 0.5, 1, 2.5];

/** The operations of `AdmissionReview` (admission/v1). */
type Operation = "CREATE" | "UPDATE" | "DELETE" | "CONNECT";
/** The two passes over all plugins. */
export type Pass = "admit" | "validate";

/** Durations of one plugin, or of all of them, in one pass. */
export class PassMetrics {
  readonly #family: HistogramFamily;
  readonly #labels: Labels;
  readonly #let = new Known<Histogram>();
  readonly #refused = new Known<Histogram>();

  constructor(family: HistogramFamily, labels: Labels) {
    this.#family = family;
    this.#labels = labels;
  }

  ended(operation: Operation, rejected: boolean, seconds: number): void {
    const known = rejected ? this.#refused : this.#let;
    known
      .of(operation, () =>
        this.#family.of({ ...this.#labels, operation, rejected: String(rejected) }),
      )
      .observe(seconds);
  }
}

/** Durations and refusals of admission (upstream: admission/metrics). */
export class AdmissionMetrics extends MetricArea {
  readonly #plugins = this.histogram(
    "apiserver_admission_controller_admission_duration_seconds",
    "Time that one plugin took.",
    BOUNDS_S,
  );
  readonly #steps = this.histogram(
    "apiserver_admission_step_admission_duration_seconds",
    "Time that all took.",
    BOUNDS_S,
  );

  ofPlugin(name: string, type: Pass): PassMetrics {
    return new PassMetrics(this.#plugins, { name, type });
  }

  ofStep(type: Pass): PassMetrics {
    return new PassMetrics(this.#steps, { type });
  }
}

/** The decisions of the Pod Security Standards. */
export interface PodSecuritySubject {
  readonly operation: Operation;
  readonly isPod: boolean;
  readonly subresource: string;
}

/** Pod Security admission (upstream: pod-security-admission/metrics). */
export class PodSecurityMetrics extends MetricArea {
  readonly #evaluations = this.counter("pod_security_evaluations_total", "Pods that were judged.");
  readonly #exemptions = this.counter(
    "pod_security_exemptions_total",
    "Requests that were not evaluated, because of an exemption.",
  );
  readonly #known = new Known<Counter>();

  constructor(registry: Registry) {
    super(registry);
    for (const operation of ["CREATE", "UPDATE"] as const) {
      for (const isPod of [true, false]) {
        this.#exemptions.of(subjectLabels({ operation, isPod, subresource: "" }));
      }
    }
  }

  evaluated(
    subject: PodSecuritySubject,
    mode: "audit" | "enforce" | "warn",
    policy: { readonly level: string; readonly version: string },
    allowed: boolean,
  ): void {
    const { operation, isPod, subresource } = subject;
    const version = versionOf(policy);
    const key = [operation, isPod, subresource, mode, policy.level, version, allowed].join(" ");
    this.#known
      .of(key, () =>
        this.#evaluations.of({
          decision: allowed ? "allow" : "deny",
          mode,
          policy_level: policy.level,
          policy_version: version,
          ...subjectLabels(subject),
        }),
      )
      .add();
  }

  exempted(subject: PodSecuritySubject): void {
    this.#exemptions.of(subjectLabels(subject)).add();
  }
}

/** Returns a version's label: unknown versions share one, so that clients cannot add rows. */
function versionOf({ level, version }: { level: string; version: string }): string {
  if (level === "privileged" || version === "latest") return "latest";
  const [, minor = ""] = API_LEVEL.split(".");
  return Number(version.replace(/^v1\./, "")) <= Number(minor) ? version : "future";
}

function subjectLabels({ operation, isPod, subresource }: PodSecuritySubject) {
  const resource = isPod ? "pod" : "controller";
  return { request_operation: operation.toLowerCase(), resource, subresource };
}
