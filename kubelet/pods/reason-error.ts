import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { fullNameOf } from "./pod-identity.ts";

/** The base of errors whose `reason` a pod's or container's status reports, in upstream's terms. */
export class ReasonError extends Error {
  override readonly name: string = "ReasonError";
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}

/** The node refuses the pod, which becomes Failed with `reason`. */
export class AdmissionError extends ReasonError {
  override readonly name = "AdmissionError";
}

/** A critical pod waits until pods have ended that it preempts: its admission is tried again. */
export class PreemptionError extends CodedError {
  constructor(pod: Pod) {
    super(
      "PREEMPTING",
      `${fullNameOf(pod)} is admitted when the pods that it preempts have ended`,
      { remedy: "none is needed; the node admits it again" },
    );
  }
}
