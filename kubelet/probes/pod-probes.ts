import type { Container, Pod, Probe } from "@raft2kube/api/gen/core/v1.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { ObservedContainer } from "../cri/observed.ts";
import type { Runtime } from "../cri/runtime.ts";
import type { PodEventSink } from "../pods/pod-event-sink.ts";
import { containersOf, namespaceOf } from "../pods/pod-identity.ts";
import type { ProbeMetrics } from "./probe-metrics.ts";
import { type ProbeTurns, turnOf } from "./probe-turns.ts";
import type { ContainerHealth } from "./probe-verdict.ts";
import { advance, NEW_PROBE, type ProbeState } from "./probe-verdict.ts";
import { type ProbeOutcome, runProbe } from "./run-probe.ts";

const log = logger("kubelet-probes");

type ProbeKind = "Startup" | "Liveness" | "Readiness";

interface ProbeWorker {
  kind: ProbeKind;
  probe: Probe;
  container: Container;
  observed: ObservedContainer;
  state: ProbeState;
  readonly runner: Runner;
}

export interface PodProbesOptions {
  clock: Clock;
  runtime: Runtime;
  events: PodEventSink;
  turns: ProbeTurns;
  metrics: ProbeMetrics;
  pod(): Pod;
  podIP(): string;
  /** A container became ready, unready, started or unhealthy. */
  changed(): void;
  /** Whether the API showed this container as ready before the kubelet was restarted. */
  wasReady(observed: ObservedContainer): boolean;
  /** Whether the API showed it as started before: its startup probe does not run again. */
  wasStarted(observed: ObservedContainer): boolean;
}

/**
 * The probes of one pod (upstream: the prober's workers): one series per running container and
 * kind, started again with each new container.
 */
export class PodProbes {
  readonly #options: PodProbesOptions;
  /** Workers by container id and kind. */
  readonly #probings = new Map<string, ProbeWorker>();

  constructor(options: PodProbesOptions) {
    this.#options = options;
  }

  /** Starts the probes of containers that run, and stops those of containers that do not. */
  sync(running: ObservedContainer[]): void {
    const wanted = new Set<string>();
    for (const { kind: listed, container } of containersOf(this.#options.pod())) {
      if (listed === "ephemeral") continue;
      const observed = running.find((one) => one.name === container.name);
      if (!observed) continue;
      for (const [kind, probe] of probesOf(container)) {
        const key = `${observed.id}/${kind}`;
        wanted.add(key);
        if (!this.#probings.has(key)) this.#begin(key, kind, probe, container, observed);
      }
    }
    for (const [key, probing] of this.#probings) {
      if (!wanted.has(key)) this.#end(key, probing);
    }
  }

  /** Returns whether a container has started, and which of its probes failed. */
  health(observed: ObservedContainer): ContainerHealth {
    // lab:11 begin health
    const startup = this.#probings.get(`${observed.id}/Startup`);
    const liveness = this.#probings.get(`${observed.id}/Liveness`);
    const started = !startup || startup.state.passing === true;
    if (startup?.state.passing === false) return { started, failed: "Startup" };
    return { started, failed: liveness?.state.passing === false ? "Liveness" : undefined };
    // lab:11 end
  }

  /** Whether a running container is ready for traffic. */
  ready(observed: ObservedContainer): boolean {
    // lab:11 begin ready
    if (!this.health(observed).started) return false;
    const readiness = this.#probings.get(`${observed.id}/Readiness`);
    if (!readiness) return true;
    return readiness.state.passing ?? this.#options.wasReady(observed);
    // lab:11 end
  }

  /**
   * Keeps only the readiness probes of the running containers, for a pod that is being stopped: its
   * containers are not restarted for their health.
   */
  keepReadinessOnly(running: ObservedContainer[]): void {
    for (const [key, probing] of this.#probings) {
      const runs = running.some(({ id }) => id === probing.observed.id);
      if (probing.kind !== "Readiness" || !runs) this.#end(key, probing);
    }
  }

  close(): void {
    for (const [key, probing] of this.#probings) this.#end(key, probing);
    this.#options.metrics.forget(this.#options.pod());
  }

  #end(key: string, { runner }: ProbeWorker): void {
    void runner.close();
    this.#probings.delete(key);
  }

  #begin(
    key: string,
    kind: ProbeKind,
    probe: Probe,
    container: Container,
    observed: ObservedContainer,
  ): void {
    const { clock } = this.#options;
    const delay_ms = (probe.initialDelaySeconds ?? 0) * 1_000;
    const left_ms = observed.startedAt_ms + delay_ms - clock.now();
    const runner = new Runner({
      clock,
      run: () => this.#doProbe(key, probing),
      report: failureLog(log, `the ${kind} probe of container ${container.name} did not run`),
    });
    const probing: ProbeWorker = { kind, probe, container, observed, state: NEW_PROBE, runner };
    this.#probings.set(key, probing);
    if (kind === "Startup" && this.#options.wasStarted(observed)) {
      probing.state = { ...NEW_PROBE, passing: true };
      return;
    }
    // The clock may have been set back since the container was started. Not within this call.
    runner.request(Math.min(delay_ms, Math.max(0, left_ms)) || 1);
  }

  /** Runs a probe once. Returns the milliseconds until it runs again. */
  async #doProbe(key: string, probing: ProbeWorker): Promise<number> {
    const { runtime, turns, pod, clock, metrics } = this.#options;
    const { probe, container, observed, kind } = probing;
    const period_ms = (probe.periodSeconds ?? 10) * 1_000;
    const waits = kind !== "Startup" && !this.health(observed).started;
    if (!waits) {
      const turn = (turn_ms: number) => turns.next(namespaceOf(pod()), turn_ms, period_ms);
      await turn(turnOf(probe));
      if (this.#probings.get(key) !== probing) return Infinity;
      const started_ms = clock.monotonic();
      const podIP = this.#options.podIP();
      const target = { container, containerId: observed.id, podIP, runtime, turn };
      const outcome = await runProbe(probe, target);
      if (this.#probings.get(key) !== probing) return Infinity;
      metrics.add(pod(), kind, container.name, outcome, clock.monotonic() - started_ms);
      this.#record(probing, outcome);
      const before = probing.state.passing;
      probing.state = advance(probing.state, outcome, probe);
      if (probing.state.passing !== before) this.#options.changed();
      // A passed startup probe and a failed liveness probe are final for this container.
      if (kind === "Startup" && probing.state.passing !== undefined) return Infinity;
      if (kind === "Liveness" && probing.state.passing === false) return Infinity;
      // The period counts from start to start (upstream: a ticker).
      return Math.max(0, started_ms + period_ms - clock.monotonic());
    }
    return Math.min(period_ms, WAIT_FOR_STARTUP_MS);
  }

  #record({ kind, container }: ProbeWorker, { result, output, warns }: ProbeOutcome): void {
    const { events, pod } = this.#options;
    if (warns) {
      const text = `${kind} probe warning: ${output}`;
      events.record(pod(), "Warning", "ProbeWarning", text, container.name);
    }
    if (result === "success") return;
    const message =
      result === "failure"
        ? `${kind} probe failed: ${output}`
        : `${kind} probe errored and resulted in unknown state: ${output}`;
    events.record(pod(), "Warning", "Unhealthy", message, container.name);
  }
}

/** Interval at which the other probes check whether the startup probe has passed. */
const WAIT_FOR_STARTUP_MS = 1_000;

function probesOf(container: Container): [ProbeKind, Probe][] {
  const { startupProbe, livenessProbe, readinessProbe } = container;
  return [
    ...(startupProbe ? [["Startup", startupProbe] as [ProbeKind, Probe]] : []),
    ...(livenessProbe ? [["Liveness", livenessProbe] as [ProbeKind, Probe]] : []),
    ...(readinessProbe ? [["Readiness", readinessProbe] as [ProbeKind, Probe]] : []),
  ];
}
