import { CodedError } from "@raft2kube/std/errors.ts";

/** A metric says nothing about how many replicas there should be; the text is upstream's. */
export class MetricError extends CodedError {
  override readonly name = "MetricError";

  constructor(message: string) {
    super("Metric", message);
  }
}
