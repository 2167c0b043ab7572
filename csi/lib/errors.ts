import { RpcError, Status } from "@raft2kube/rpc/error.ts";

/** A required field is missing or malformed; the caller must change the request. */
export const invalidArgument = (message: string) => new RpcError(Status.INVALID_ARGUMENT, message);

/** The volume or snapshot does not exist. */
export const notFound = (message: string) => new RpcError(Status.NOT_FOUND, message);

/** The name, or the target path, is taken by something incompatible. */
export const alreadyExists = (message: string) => new RpcError(Status.ALREADY_EXISTS, message);

/** An operation is pending, or a list must be started over. */
export const aborted = (message: string) => new RpcError(Status.ABORTED, message);

/** A size that the plugin cannot give. */
export const outOfRange = (message: string) => new RpcError(Status.OUT_OF_RANGE, message);

/** The volume's state forbids the call: it is in use, not staged, published elsewhere. */
export const failedPrecondition = (message: string) =>
  new RpcError(Status.FAILED_PRECONDITION, message);

/** There is not enough space, or none at the requested topology. */
export const resourceExhausted = (message: string) =>
  new RpcError(Status.RESOURCE_EXHAUSTED, message);

/** The plugin's own failure: a system call, a damaged directory. */
export const internal = (message: string) => new RpcError(Status.INTERNAL, message);
