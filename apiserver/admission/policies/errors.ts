import { CodedError } from "@raft2kube/std/errors.ts";

/** A change by a policy that cannot be made. */
export class PatchError extends CodedError {
  constructor(message: string) {
    super("POLICY_PATCH", message);
  }
}
