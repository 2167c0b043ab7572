import { CodedError } from "@raft2kube/std/errors.ts";

/** The code of an error about a selected node that was deleted. */
export const NODE_GONE = "NodeGone";

/** A claim cannot be served; the text goes into its ProvisioningFailed event. */
export class ProvisioningError extends CodedError {
  override readonly name = "ProvisioningError";
}
