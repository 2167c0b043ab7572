import { CodedError } from "@raft2kube/std/errors.ts";

/** A file that is no bbolt database, or one whose bytes contradict each other. */
export class BboltError extends CodedError {
  constructor(code: "BBOLT_DAMAGED" | "BBOLT_FORMAT", file: string, what: string) {
    const remedy =
      code === "BBOLT_DAMAGED"
        ? "take another snapshot (etcdctl snapshot save), or the db file of another stopped member"
        : "name a file that etcdctl snapshot save wrote, or a stopped member's member/snap/db";
    super(code, `${file}: ${what}`, { remedy });
  }
}
