import { CodedError } from "@raft2kube/std/errors.ts";

/** A body does not have the form of its kind. The apiserver answers 400 with this message. */
export class DecodeError extends CodedError {
  override readonly name = "DecodeError";

  constructor(message: string) {
    super("DECODE", message);
  }
}
