import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { logger } from "@raft2kube/observe/log.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { REBUILD } from "../backend/damage.ts";

const log = logger("store");

/**
 * Lies beside the database from before it is opened until all of it was read. Where LevelDB meets a
 * damaged table it may end the process by an assertion of its own, which says nothing of use: the
 * next start finds the mark and says what it means.
 */
export class OpeningMark {
  readonly #path: string;

  constructor(dataDir: string) {
    this.#path = join(dataDir, "member", "opening");
  }

  /** Warns when the last process ended before `end`. */
  begin(): void {
    if (existsSync(this.#path)) {
      log.warn("the last process ended while it read its database", {
        remedy: `if this one does too, and nobody killed it, the database is damaged: ${REBUILD}`,
      });
    }
    try {
      writeFileSync(this.#path, "", { mode: 0o600 });
    } catch (thrown) {
      // On a full disk the start goes on without it, as far as it gets.
      if (!isErrno(thrown, "ENOSPC")) throw thrown;
    }
  }

  end(): void {
    rmSync(this.#path, { force: true });
  }
}
