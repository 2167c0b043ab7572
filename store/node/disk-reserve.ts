import { lstatSync, rmSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import {
  DISK_ENOUGH_BYTES,
  DISK_LOOK_INTERVAL_MS,
  DISK_LOOK_REST_MS,
  DISK_LOW_BYTES,
  DISK_RESERVE_BYTES,
} from "../limits.ts";
import { freeBytes } from "../structures/free-bytes.ts";

const log = logger("store");
/** The piece that each pass writes: the whole would slow down the log of a new member. */
const PIECE = Buffer.alloc(4 * 1024 * 1024);

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
  readonly #passes: Runner;
  /** Time of the last look (monotonic). */
  #lookedAt_ms = Number.NEGATIVE_INFINITY;
  /** Whether the last look found too little space for commands that add data. */
  #short = false;

  /** Looks immediately: a member that starts on a full disk needs space to open its database. */
  constructor(dataDir: string, clock: Clock) {
    this.#dataDir = dataDir;
    this.#path = join(dataDir, "member", "reserve");
    this.#clock = clock;
    this.#look();
    this.#passes = new Runner({
      clock,
      max_ms: DISK_LOOK_INTERVAL_MS,
      run: () => this.#pass(),
      report: failureLog(log, "the store's reserve is not made"),
    });
    this.#passes.request(0);
  }

  /** Whether there is space for commands that add data. */
  hasSpace(): boolean {
    if (this.#clock.monotonic() - this.#lookedAt_ms >= DISK_LOOK_REST_MS) this.#look();
    return !this.#short;
  }

  close(): Promise<void> {
    return this.#passes.close();
  }

  /** Looks, and adds a piece to a reserve that is incomplete. */
  async #pass(): Promise<void> {
    const free_bytes = this.#look();
    const kept_bytes = this.#kept_bytes();
    const isEnough = free_bytes + kept_bytes >= DISK_RESERVE_BYTES + 2 * DISK_LOW_BYTES;
    if (!isEnough || kept_bytes >= DISK_RESERVE_BYTES) return;
    await using file = await open(this.#path, "a", 0o600);
    await file.write(PIECE);
  }

  /** Releases the reserve where the disk is nearly full; returns the free bytes. */
  #look(): number {
    this.#lookedAt_ms = this.#clock.monotonic();
    let free_bytes = freeBytes(this.#dataDir);
    if (free_bytes < DISK_LOW_BYTES && this.#kept_bytes() > 0) {
      rmSync(this.#path, { force: true });
      free_bytes = freeBytes(this.#dataDir);
      log.warn("the disk is nearly full: the store's reserve is released", { free_bytes });
    }
    const short = free_bytes < (this.#short ? DISK_ENOUGH_BYTES : DISK_LOW_BYTES);
    if (short !== this.#short) {
      const fields = { free_bytes, remedy: `make room on the disk of ${this.#dataDir}` };
      if (short) log.error("the disk is full: what adds data is refused", fields);
      else log.warn("the disk has space again: all is served", { free_bytes });
    }
    this.#short = short;
    return free_bytes;
  }

  #kept_bytes(): number {
    return lstatSync(this.#path, { throwIfNoEntry: false })?.size ?? 0;
  }
}
