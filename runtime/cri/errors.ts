import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { RuntimeError, type RuntimeErrorCode } from "../errors.ts";

const STATUSES: Record<RuntimeErrorCode, Status> = {
  "not-found": Status.NOT_FOUND,
  "invalid-argument": Status.INVALID_ARGUMENT,
  "already-exists": Status.ALREADY_EXISTS,
  "failed-precondition": Status.FAILED_PRECONDITION,
  "resource-exhausted": Status.RESOURCE_EXHAUSTED,
  "deadline-exceeded": Status.DEADLINE_EXCEEDED,
  unavailable: Status.UNAVAILABLE,
  unimplemented: Status.UNIMPLEMENTED,
  "permission-denied": Status.PERMISSION_DENIED,
  internal: Status.INTERNAL,
};

/** What an operation threw, as the status that CRI's callers expect. */
export function toRpcError(thrown: unknown): RpcError {
  if (thrown instanceof RpcError) return thrown;
  if (thrown instanceof RuntimeError) {
    return new RpcError(STATUSES[thrown.code], thrown.message, { cause: thrown });
  }
  const status = isErrno(thrown, "ENOSPC", "EDQUOT") ? Status.RESOURCE_EXHAUSTED : Status.INTERNAL;
  return new RpcError(status, messageOf(thrown), { cause: thrown });
}

type Anything = (...args: never[]) => unknown;

/** Handlers whose errors are RpcErrors, whatever they throw. Streams are passed on as they are. */
export function withRpcErrors<H extends object>(handlers: H): H {
  const wrap = (handler: Anything) => async (...args: never[]) => {
    try {
      return await handler(...args);
    } catch (thrown) {
      throw toRpcError(thrown);
    }
  };
  const wrapped = Object.entries(handlers).map(([name, handler]) => {
    const isStream = (handler as Anything).constructor.name === "AsyncGeneratorFunction";
    return [name, isStream ? handler : wrap(handler as Anything)];
  });
  return Object.fromEntries(wrapped) as H;
}
