import type { Probe } from "@raft2kube/api/gen/core/v1.ts";
import type { ProbeOutcome } from "./run-probe.ts";

/** State of one probe of one container. */
export interface ProbeState {
  /** The verdict; undefined until a threshold was reached for the first time. */
  passing: boolean | undefined;
  /** Equal outcomes in a row. */
  streak: number;
  last: "success" | "failure" | undefined;
}

/** Health of one running container as its probes found it. */
export interface ContainerHealth {
  /** The startup probe has passed, or there is none. */
  started: boolean;
  /** The probe that failed past its threshold. */
  failed: "Liveness" | "Startup" | undefined;
}

export const NEW_PROBE: ProbeState = { passing: undefined, streak: 0, last: undefined };

/**
 * Returns the state after one more outcome: `passing` changes when a threshold of equal outcomes is
 * reached. Pure.
 */
export function advance(state: ProbeState, outcome: ProbeOutcome, probe: Probe): ProbeState {
  // lab:11 begin advance
  if (outcome.result === "error") return state;
  const streak = state.last === outcome.result ? state.streak + 1 : 1;
  const success = outcome.result === "success";
  const threshold = success ? (probe.successThreshold ?? 1) : (probe.failureThreshold ?? 3);
  const passing = streak >= threshold ? success : state.passing;
  return { passing, streak, last: outcome.result };
  // lab:11 end
}
