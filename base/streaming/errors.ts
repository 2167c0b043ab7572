import { CodedError } from "@raft2kube/std/errors.ts";

/** The peer broke the protocol, or asked for one that is not spoken here. */
export class StreamingError extends CodedError {
  constructor(message: string) {
    super("streaming", message);
  }
}
