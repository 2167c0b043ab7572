import { CodedError } from "@raft2kube/std/errors.ts";

/**
 * Bytes of the log that were once durable do not read back: the member must not continue with them.
 */
export class LogDamagedError extends CodedError {
  constructor(file: string, offset: number, what: string) {
    super("LOG_DAMAGED", `${file}: ${what} at byte ${offset}`, {
      remedy:
        "the log lost entries this member had acknowledged: with other members healthy, remove " +
        "this member, empty its data directory and add it again; alone, restore a snapshot",
    });
  }
}

/** A file written by a later release. */
export class LogFormatError extends CodedError {
  constructor(file: string, message: string) {
    super("LOG_FORMAT", `${file}: ${message}`, {
      remedy: "start the release that wrote this data directory, or point --data-dir elsewhere",
    });
  }
}

/**
 * Writing or syncing the log failed: what the disk now holds is unknown, so the member ends
 * (S10).
 */
export class LogWriteError extends CodedError {
  constructor(file: string, cause: Error) {
    super("LOG_WRITE", `${file}: ${cause.message}`, {
      cause,
      remedy: "free or replace the disk, then start the member again: what it acknowledged is safe",
    });
  }
}
