import { appendFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import type { Announcement } from "../supervisor/supervise.ts";

/** How often a guest's node process reports that the guest answers. */
const ANSWER_MS = 10_000;
/** A guest that reports nothing for so long is ended. */
export const SILENT_MS = 60_000;
/** The line that says so; an announcement is an object. */
const ANSWERS = "answers";

/** Reports at `reports`, in a guest, each time that its disk took a write and its root was read. */
export function startAnswers(dir: string, reports: string, clock: Clock): Runner {
  const runner = new Runner({
    clock,
    max_ms: ANSWER_MS,
    retry: { first_ms: ANSWER_MS, most_ms: ANSWER_MS },
    async run() {
      try {
        await replaceFile(join(dir, "answers"), "");
        await stat(process.execPath);
      } finally {
        // A disk that is full answers too.
        await appendFile(reports, `${ANSWERS}\n`);
      }
    },
    report: failureLog(logger("guest"), "the guest's disk cannot be tried"),
  });
  runner.request(0);
  return runner;
}

/** Follows what a guest reports, and calls `onSilent` once if that is nothing for SILENT_MS. */
export class GuestReports {
  /** Resolves with the announcement of the guest's node process. */
  readonly announced: Promise<Announcement>;
  readonly #clock: Clock;
  readonly #onSilent: () => void;
  #timer: Timer;
  #closed = false;

  constructor(stream: Readable, clock: Clock, onSilent: () => void) {
    this.#clock = clock;
    this.#onSilent = onSilent;
    this.#timer = clock.after(SILENT_MS, onSilent);
    const { promise, resolve } = Promise.withResolvers<Announcement>();
    this.announced = promise;
    let isAnnounced = false;
    createInterface(stream).on("line", (line) => {
      if (this.#closed) return;
      this.#timer.cancel();
      this.#timer = this.#clock.after(SILENT_MS, this.#onSilent);
      if (isAnnounced || line === ANSWERS) return;
      isAnnounced = true;
      resolve(JSON.parse(line) as Announcement);
    });
  }

  close(): void {
    this.#closed = true;
    this.#timer.cancel();
  }
}
