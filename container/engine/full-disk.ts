import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";

/** Returns an error as it is, one of a full disk with what to do about it. */
export function withRemedy(cause: unknown, folder: string): unknown {
  if (!isErrno(cause, "ENOSPC", "EDQUOT")) return cause;
  return new RuntimeError("resource-exhausted", `the disk is full: ${messageOf(cause)}`, {
    cause,
    remedy: `make room for ${folder}: r2k container rm, rmi, or system prune`,
  });
}
