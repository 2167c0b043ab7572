import { CodedError } from "@raft2kube/std/errors.ts";

/** A body does not have the form of its kind. The apiserver answers 400 with this message. */
export class DecodeError extends CodedError {
  override readonly name = "DecodeError";

  /** The value, and its field's Go type, when the value has another type than the field. */
  readonly mismatch: { readonly value: unknown; readonly goType: string } | undefined;

  constructor(message: string, mismatch?: DecodeError["mismatch"]) {
    super("DECODE", message);
    this.mismatch = mismatch;
  }
}
