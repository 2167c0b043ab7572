import { CodedError } from "@raft2kube/std/errors.ts";

/** A claim cannot be served; the text goes into its ProvisioningFailed event. */
export class ProvisioningError extends CodedError {
  override readonly name = "ProvisioningError";
}
