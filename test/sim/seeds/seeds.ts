import { execFileSync } from "node:child_process";
import { systemClock } from "@raft2kube/std/clock.ts";
import type { Kind } from "../script.ts";
import { runPool } from "./pool.ts";
import type { Totals } from "./totals.ts";

const SAVE_INTERVAL_MS = 5_000;

export interface SeedsOptions {
  readonly kind: Kind;
  readonly seeds: readonly number[];
  readonly jobs: number;
  /** No seed is started after this many minutes. */
  readonly minutes: number;
  /** Seeds that it has are passed over. */
  readonly totals: Totals;
  readonly commit: string;
  /** Called now and then, and at the end. */
  readonly save: () => void;
  readonly onFailure: (message: string) => void;
}

/** Runs seeds in several processes, and adds what came of them to the totals. */
export async function runSeeds(options: SeedsOptions): Promise<void> {
  const { kind, jobs, minutes, totals, commit, save, onFailure } = options;
  const clock = systemClock();
  const end_ms = clock.monotonic() + minutes * 60_000;
  let saved_ms = clock.monotonic();
  const left = options.seeds.filter((seed) => !totals.has(seed)).values();
  const next = () => {
    if (clock.monotonic() >= end_ms) return undefined;
    const { value: seed } = left.next();
    return seed === undefined ? undefined : { script: { seed, ...kind } };
  };
  await runPool({
    jobs,
    clock,
    next,
    onVerdict: (verdict) => {
      totals.take(verdict, commit);
      if (verdict.message !== undefined) {
        onFailure(`seed ${verdict.script.seed}: ${verdict.message}`);
      }
      if (clock.monotonic() - saved_ms < SAVE_INTERVAL_MS) return;
      saved_ms = clock.monotonic();
      save();
    },
  });
  save();
}

/** The commit of the sources that run, marked when they are not what was committed. */
export function commitOf(folder: string): string {
  const git = (...args: string[]) => execFileSync("git", args, { cwd: folder }).toString().trim();
  const changed = git("status", "--porcelain", "--untracked-files=no") !== "";
  return `${git("rev-parse", "--short=10", "HEAD")}${changed ? " and changes" : ""}`;
}
