import type { Job, JobCondition, JobStatus } from "@raft2kube/api/gen/batch/v1.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import { conditionOf, type Evaluation } from "./evaluate.ts";

/** The result of acting on the pods. */
export interface Outcome {
  active: number;
  ready: number;
  terminating: number;
  /**
   * Pods were counted from the informer's state, and no write is under way that it does not show.
   */
  trusted: boolean;
  /** The pods of a job that has ended are all on their way out. */
  cleared: boolean;
  error?: unknown;
}

/** The status with the counts, and the end that the job has come to, if it has. */
export interface Settled {
  status: JobStatus;
  ending?: JobCondition;
  events: { reason: string; message: string }[];
}

/** Counts, and decides on completion and suspension once the pods are as they are to be. */
export function settle(
  job: Job,
  evaluation: Evaluation,
  outcome: Outcome,
  now_ms: number,
): Settled {
  const { active, ready, terminating, trusted, cleared } = outcome;
  const status: JobStatus = { ...job.status, ready, terminating };
  delete status.active;
  if (active > 0) status.active = active;
  if (evaluation.ending) {
    return { status, events: [], ...(cleared && { ending: evaluation.ending }) };
  }
  if (isComplete(job, evaluation, active)) {
    const message = "Reached expected number of succeeded pods";
    const ending = conditionOf("SuccessCriteriaMet", "CompletionsReached", message, now_ms);
    return { status, ending, events: [] };
  }
  if (!trusted || job.metadata.deletionTimestamp !== undefined) return { status, events: [] };
  return suspendOrResume(job, status, now_ms);
}

function isComplete({ spec }: Job, { succeeded }: Evaluation, active: number): boolean {
  return active === 0 && succeeded >= (spec.completions ?? 1);
}

function suspendOrResume({ spec }: Job, status: JobStatus, now_ms: number): Settled {
  const suspend = spec.suspend === true;
  const [reason, message] = suspend
    ? ["JobSuspended", "Job suspended"]
    : ["JobResumed", "Job resumed"];
  const conditions = status.conditions ?? [];
  const known = conditions.find(({ type }) => type === "Suspended");
  const value = suspend ? "True" : "False";
  if (known?.status === value || (!suspend && known === undefined)) return { status, events: [] };
  const condition = conditionOf("Suspended", reason, message, now_ms, value);
  const next: JobStatus = {
    ...status,
    conditions: [...conditions.filter((each) => each !== known), condition],
  };
  if (suspend) delete next.startTime;
  else next.startTime = timeText(now_ms);
  return { status: next, events: [{ reason: suspend ? "Suspended" : "Resumed", message }] };
}
