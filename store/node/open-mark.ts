import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { logger } from "@raft2kube/observe/log.ts";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";
import { REBUILD } from "../backend/damage.ts";

const log = logger("store");

/** The phase of a process with an open database. */
type Phase = "reading" | "running";

const WARNINGS: Record<Phase, { said: string; remedy: string }> = {
  reading: {
    said: "the last process ended while it read its database",
    remedy: `if this one ends too, without a kill, the database is damaged: ${REBUILD}`,
  },
  running: {
    said: "the last process ended without closing its database",
    remedy:
      "a kill or a power cut loses nothing; but if it ended by itself, by SIGABRT, SIGBUS or " +
      `SIGSEGV or with an assertion as its last words, the database is damaged: ${REBUILD}`,
  },
};

/**
 * A file beside the database for as long as a process has it open. LevelDB may end the process by
 * an assertion or a signal when it reads a damaged or truncated table, without a useful message:
 * the next start finds the mark and explains it.
 */
export class OpenMark {
  readonly #path: string;
  readonly #folder: string;

  constructor(dataDir: string) {
    this.#path = join(dataDir, "member", "open");
    this.#folder = join(dataDir, "member");
  }

  /** All of the database is about to be read. Warns when the last process ended before `end`. */
  begin(): void {
    const phase = this.#left();
    if (phase) {
      const { said, remedy } = WARNINGS[phase];
      log.warn(said, { folder: this.#folder, remedy });
    }
    this.#write("reading");
  }

  /** The database was read, and is in use. */
  running(): void {
    this.#write("running");
  }

  /** The database is closed, or the reason of the member's end was reported. */
  end(): void {
    rmSync(this.#path, { force: true });
  }

  #left(): Phase | undefined {
    return tolerateSync(
      () => (readFileSync(this.#path, "utf8") === "running" ? "running" : "reading"),
      errno("ENOENT"),
    );
  }

  #write(phase: Phase): void {
    // On a full disk the start continues without the mark, as far as it gets.
    tolerateSync(() => writeFileSync(this.#path, phase, { mode: 0o600 }), errno("ENOSPC"));
  }
}
