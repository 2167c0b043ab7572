import { open } from "node:fs/promises";
import type { Clock } from "@raft2kube/std/clock.ts";
import { STATIC_POD_FILE_BYTES_MAX, STATIC_POD_SETTLE_MS } from "../limits.ts";
import { StaticPodError } from "./static-pod.ts";

/** Reads files that are written in place, once they have not changed for a while. */
export class SettledFiles {
  readonly #clock: Clock;
  /** Version of each file, and the time since which it has it. */
  readonly #seen = new Map<string, { version: string; since_ms: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Returns the file's text; undefined when it has changed within STATIC_POD_SETTLE_MS, or during
   * the read. Throws StaticPodError for a file that is too large.
   */
  async read(file: string): Promise<string | undefined> {
    await using handle = await open(file, "r");

    const before = await handle.stat();
    if (!this.#isSettled(file, before)) return undefined;
    if (before.size > STATIC_POD_FILE_BYTES_MAX) {
      throw new StaticPodError("TOO_BIG", `${file} is larger than a pod can be`);
    }
    const text = await handle.readFile("utf8");
    return versionOf(await handle.stat()) === versionOf(before) ? text : undefined;
  }

  /**
   * Decides by the file's change time; where clocks differ, by the time since it was first seen in
   * this version.
   */
  #isSettled(file: string, stats: Version): boolean {
    const version = versionOf(stats);
    const now_ms = this.#clock.monotonic();
    let seen = this.#seen.get(file);
    if (seen?.version !== version) this.#seen.set(file, (seen = { version, since_ms: now_ms }));
    const age_ms = this.#clock.now() - stats.mtimeMs;
    return age_ms >= STATIC_POD_SETTLE_MS || now_ms - seen.since_ms >= STATIC_POD_SETTLE_MS;
  }
}

type Version = { readonly ino: number; readonly size: number; readonly mtimeMs: number };

const versionOf = ({ ino, size, mtimeMs }: Version): string => `${ino} ${size} ${mtimeMs}`;
