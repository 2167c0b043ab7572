import { lstatSync, rmSync, statfsSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { delay } from "@raft2kube/std/wait.ts";
import {
  DISK_ENOUGH_BYTES,
  DISK_LOW_BYTES,
  DISK_LOOK_INTERVAL_MS,
  DISK_LOOK_REST_MS,
  DISK_RESERVE_BYTES,
} from "../limits.ts";

const log = logger("store");
/** Written at each look: at once it would slow down the log of a member that has just started. */
const PIECE = Buffer.alloc(4 * 1024 * 1024);
/** The unit of `blocks` in stat(2). */
const BLOCK_BYTES = 512;

/**
 * Keeps the member going when others fill its disk, since a failed write ends it. A file takes
 * DISK_RESERVE_BYTES while there is enough; when less than DISK_LOW_BYTES are free it is removed:
 * the log, flushes and compactions go on, and requests that free space are served.
 * When that much is used up too, commands that add data are refused until there is space. etcd has
 * nothing like it: there the NOSPACE alarm knows the size of the backend alone.
 */
export class DiskReserve {
  readonly #dataDir: string;
  readonly #path: string;
  readonly #clock: Clock;
  #timer: Timer | undefined;
  #making: Promise<void> | undefined;
  #lookedAt_ms = Number.NEGATIVE_INFINITY;
  #short = false;
  #closed = false;

  /** Looks at once: a member that starts on a full disk needs the space to open its database. */
  constructor(dataDir: string, clock: Clock) {
    this.#dataDir = dataDir;
    this.#path = join(dataDir, "member", "reserve");
    this.#clock = clock;
    this.#look();
    this.#wait();
  }

  /** Whether there is space for commands that add data. */
  hasSpace(): boolean {
    if (this.#clock.monotonic() - this.#lookedAt_ms >= DISK_LOOK_REST_MS) this.#look();
    return !this.#short;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#timer?.cancel();
    await this.#making;
  }

  #wait(): void {
    this.#timer = this.#clock.after(DISK_LOOK_INTERVAL_MS, () => {
      this.#look();
      this.#wait();
    });
  }

  #look(): void {
    this.#lookedAt_ms = this.#clock.monotonic();
    let free_bytes = this.#free();
    if (free_bytes < DISK_LOW_BYTES && this.#kept_bytes() > 0) {
      rmSync(this.#path, { force: true });
      free_bytes = this.#free();
      log.warn("the disk is nearly full: the store's reserve is released", { free_bytes });
    }
    const short = free_bytes < (this.#short ? DISK_ENOUGH_BYTES : DISK_LOW_BYTES);
    if (short !== this.#short) {
      const fields = { free_bytes, remedy: `make room on the disk of ${this.#dataDir}` };
      if (short) log.error("the disk is full: what adds data is refused", fields);
      else log.warn("the disk has space again: all is served", { free_bytes });
    }
    this.#short = short;
    const enough = free_bytes >= DISK_RESERVE_BYTES + 2 * DISK_LOW_BYTES;
    if (enough && !this.#making && !this.#closed && this.#kept_bytes() < DISK_RESERVE_BYTES) {
      this.#making = this.#make().finally(() => (this.#making = undefined));
    }
  }

  #free(): number {
    const { bavail, bsize } = statfsSync(this.#dataDir);
    return bavail * bsize;
  }

  /** Allocates the reserve; one that is incomplete is allocated again. */
  #kept_bytes(): number {
    const stats = lstatSync(this.#path, { throwIfNoEntry: false });
    return (stats?.blocks ?? 0) * BLOCK_BYTES;
  }

  async #make(): Promise<void> {
    try {
      await using file = await open(this.#path, "w", 0o600);
      for (let at = 0; at < DISK_RESERVE_BYTES && !this.#closed; at += PIECE.length) {
        // Others may fill the disk meanwhile, and what was made be removed.
        if (this.#free() < DISK_LOW_BYTES) return;
        await file.write(PIECE, 0, PIECE.length, at);
        await delay(this.#clock, DISK_LOOK_INTERVAL_MS);
      }
    } catch (thrown) {
      rmSync(this.#path, { force: true });
      log.warn("the store's reserve cannot be made", { reason: messageOf(thrown) });
    }
  }
}
