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

/**
 * Converts a thrown error to the status that CRI's callers expect. The message has the remedy: CRI
 * has no field for it, and the kubelet shows the message to the pod's owner.
 */
export function toRpcError(thrown: unknown): RpcError {
  if (thrown instanceof RpcError) return thrown;
  if (thrown instanceof RuntimeError) {
    const message = [thrown.message, thrown.remedy].filter(Boolean).join("; ");
    return new RpcError(STATUSES[thrown.code], message, { cause: thrown });
  }
  const status = isErrno(thrown, "ENOSPC", "EDQUOT") ? Status.RESOURCE_EXHAUSTED : Status.INTERNAL;
  return new RpcError(status, messageOf(thrown), { cause: thrown });
}

type Anything = (...args: never[]) => unknown;

/** Makes handlers throw RpcErrors only, for any error of theirs, immediate or later in a stream. */
export function withRpcErrors<H extends object>(handlers: H): H {
  const wrapped = Object.entries(handlers).map(([name, handler]) => [name, wrap(handler)]);
  return Object.fromEntries(wrapped) as H;
}

function wrap(handler: Anything): Anything {
  return (...args) => {
    let result: unknown;
    try {
      result = handler(...args);
    } catch (thrown) {
      throw toRpcError(thrown);
    }
    return isStream(result) ? mappedStream(result) : mapped(result);
  };
}

function isStream(result: unknown): result is AsyncIterable<unknown> {
  return typeof result === "object" && result !== null && Symbol.asyncIterator in result;
}

async function mapped(result: unknown): Promise<unknown> {
  try {
    return await result;
  } catch (thrown) {
    throw toRpcError(thrown);
  }
}

async function* mappedStream(items: AsyncIterable<unknown>): AsyncGenerator<unknown> {
  try {
    yield* items;
  } catch (thrown) {
    throw toRpcError(thrown);
  }
}
