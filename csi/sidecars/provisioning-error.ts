import { CodedError } from "@raft2kube/std/errors.ts";

/** The code of an error about a selected node that was deleted. */
export const NODE_GONE = "NodeGone";

/** The code of an error about a volume that is not as requested, and could not be deleted. */
export const ORPHANED = "Orphaned";

/** A claim cannot be served; the text goes into its ProvisioningFailed event. */
export class ProvisioningError extends CodedError {}
