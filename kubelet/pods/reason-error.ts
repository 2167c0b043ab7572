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
