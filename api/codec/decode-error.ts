import { CodedError } from "@raft2kube/std/errors.ts";

/** A body does not have the form of its kind. The apiserver answers 400 with this message. */
export class DecodeError extends CodedError {
  override readonly name = "DecodeError";

  /** Of a value that is of another type than its place: what it is, and the place's Go type. */
  readonly mismatch: { readonly value: unknown; readonly goType: string } | undefined;

  constructor(message: string, mismatch?: DecodeError["mismatch"]) {
    super("DECODE", message);
    this.mismatch = mismatch;
  }
}
