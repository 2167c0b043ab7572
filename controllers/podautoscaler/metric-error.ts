import { CodedError } from "@raft2kube/std/errors.ts";

/** No number of replicas can be computed from a metric; the text is upstream's. */
export class MetricError extends CodedError {
  constructor(message: string) {
    super("Metric", message);
  }
}
