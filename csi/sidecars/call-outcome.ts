import { RpcError, Status } from "@raft2kube/rpc/error.ts";

/**
 * Statuses after which the driver may have done what it was asked, or still be doing it (CSI spec,
 * "Timeouts").
 */
const UNDECIDED: ReadonlySet<number> = new Set([
  Status.CANCELLED,
  Status.DEADLINE_EXCEEDED,
  Status.UNAVAILABLE,
  Status.ABORTED,
]);

/** Whether the driver may have done what it was asked although the call failed. */
export const isUndecided = ({ status }: RpcError): boolean => UNDECIDED.has(status);

/**
 * Whether a driver has refused to change a volume, and is not working on it: the claim may ask for
 * another change. RESOURCE_EXHAUSTED also comes from gRPC itself (upstream's IsFinalError).
 */
export function isRefusal(thrown: unknown): thrown is RpcError {
  if (!(thrown instanceof RpcError)) return false;
  return !isUndecided(thrown) && thrown.status !== Status.RESOURCE_EXHAUSTED;
}
