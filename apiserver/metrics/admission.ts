import {
  type Count,
  CounterFamily,
  HistogramFamily,
  type Spread,
} from "@raft2kube/observe/families.ts";
import type { Registry } from "@raft2kube/observe/metrics.ts";
import { API_LEVEL } from "../object/version.ts";

const BOUNDS_S = [0.005, 0.025, 0.1, 0.5, 1, 2.5];

/** The operations of `AdmissionReview` (admission/v1). */
type Operation = "CREATE" | "UPDATE" | "DELETE" | "CONNECT";
/** The two passes over all plugins. */
export type Pass = "admit" | "validate";

/** Durations of one plugin, or of all of them, in one pass. */
export class PassMetrics {
  readonly #of: (operation: Operation, rejected: boolean) => Spread;
  readonly #spreads = new Map<Operation, { let: Spread | undefined; not: Spread | undefined }>();

  constructor(of: (operation: Operation, rejected: boolean) => Spread) {
    this.#of = of;
  }

  ended(operation: Operation, rejected: boolean, seconds: number): void {
    let known = this.#spreads.get(operation);
    if (!known) this.#spreads.set(operation, (known = { let: undefined, not: undefined }));
    const spread = rejected
      ? (known.not ??= this.#of(operation, true))
      : (known.let ??= this.#of(operation, false));
    spread.observe(seconds);
  }
}

/** How long admission took and what it refused (upstream: admission/metrics). */
export class AdmissionMetrics {
  readonly #plugins: HistogramFamily;
  readonly #steps: HistogramFamily;

  constructor(registry: Registry) {
    const name = (of: string) => `apiserver_admission_${of}_admission_duration_seconds`;
    this.#plugins = new HistogramFamily(registry, name("controller"),
      "Time that one plugin took.", BOUNDS_S);
    this.#steps = new HistogramFamily(registry, name("step"), "Time that all took.", BOUNDS_S);
  }

  ofPlugin(name: string, type: Pass): PassMetrics {
    return new PassMetrics((operation, rejected) =>
      this.#plugins.of({ name, type, operation, rejected: String(rejected) }));
  }

  ofStep(type: Pass): PassMetrics {
    return new PassMetrics((operation, rejected) =>
      this.#steps.of({ type, operation, rejected: String(rejected) }));
  }
}

/** What is judged by the Pod Security Standards. */
export interface PodSecuritySubject {
  readonly operation: Operation;
  readonly isPod: boolean;
  readonly subresource: string;
}

/** What the Pod Security Standards said of pods (upstream: pod-security-admission/metrics). */
export class PodSecurityMetrics {
  readonly #evaluations: CounterFamily;
  readonly #exemptions: CounterFamily;
  readonly #known = new Map<string, Count>();

  constructor(registry: Registry) {
    this.#evaluations = new CounterFamily(registry, "pod_security_evaluations_total",
      "Pods that were judged.");
    this.#exemptions = new CounterFamily(registry, "pod_security_exemptions_total",
      "Requests that were not, because somebody or something is exempt.");
    for (const operation of ["CREATE", "UPDATE"] as const) {
      for (const isPod of [true, false]) {
        this.#exemptions.of(subjectLabels({ operation, isPod, subresource: "" }));
      }
    }
  }

  evaluated(
    subject: PodSecuritySubject,
    mode: "enforce" | "warn",
    policy: { readonly level: string; readonly version: string },
    allowed: boolean,
  ): void {
    const { operation, isPod, subresource } = subject;
    const { level } = policy;
    const version = versionOf(policy);
    const key = `${operation} ${isPod} ${subresource} ${mode} ${level} ${version} ${allowed}`;
    let count = this.#known.get(key);
    if (!count) {
      const decision = allowed ? "allow" : "deny";
      const labels = { policy_level: level, policy_version: version };
      count = this.#evaluations.of({ decision, mode, ...labels, ...subjectLabels(subject) });
      this.#known.set(key, count);
    }
    count.add();
  }

  exempted(subject: PodSecuritySubject): void {
    this.#exemptions.of(subjectLabels(subject)).add();
  }
}

/** A version of the standards: those not known yet are one, so that nobody can make up many. */
function versionOf({ level, version }: { level: string; version: string }): string {
  if (level === "privileged" || version === "latest") return "latest";
  const [, minor = ""] = API_LEVEL.split(".");
  return Number(version.replace(/^v1\./, "")) <= Number(minor) ? version : "future";
}

function subjectLabels({ operation, isPod, subresource }: PodSecuritySubject) {
  const resource = isPod ? "pod" : "controller";
  return { request_operation: operation.toLowerCase(), resource, subresource };
}
