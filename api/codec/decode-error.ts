import { CodedError } from "@raft2kube/std/errors.ts";

/** A body does not have the form of its kind. The apiserver answers 400 with this message. */
export class DecodeError extends CodedError {
  override readonly name = "DecodeError";

  /** Set when a value has another type than its field: the value, and the field's Go type. */
  readonly mismatch: { readonly value: unknown; readonly goType: string } | undefined;

  constructor(message: string, mismatch?: DecodeError["mismatch"]) {
    super("DECODE", message);
    this.mismatch = mismatch;
  }
}
