/** The pod cannot run on this node: it becomes Failed with `reason`, upstream's word. */
export class AdmissionError extends Error {
  override readonly name = "AdmissionError";
  readonly reason: string;

  constructor(reason: string, message: string) {
    super(message);
    this.reason = reason;
  }
}
