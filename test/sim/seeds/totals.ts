import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import type { Kind } from "../script.ts";
import { Counters } from "../world/counters.ts";
import type { Verdict } from "./pool.ts";

type Failure = { readonly seed: number; readonly commit: string; readonly message: string };

interface Part {
  /** Seeds run, as first and last of each stretch. */
  readonly ranges: [from: number, to: number][];
  /** Seeds run at each commit of the sources. */
  readonly commits: Record<string, number>;
  readonly failures: Failure[];
  readonly cpu_s: number;
  readonly counts: Record<string, number>;
}

/** The plain kind of seeds, and beside it the swarm kind. */
interface Stored extends Partial<Part> {
  readonly format: 1;
  readonly swarm?: Part;
}

/** Sums of counters over many runs, kept in a file that later runs add to. */
export class Totals {
  readonly counters = new Counters();
  readonly failures: Failure[] = [];
  readonly #seeds = new Set<number>();
  readonly #commits = new Map<string, number>();
  readonly #kind: Kind;
  #cpu_s = 0;

  constructor(kind: Kind = {}) {
    this.#kind = kind;
  }

  /** Reads the totals of a kind of seeds from a file; empty if there is none yet. */
  static read(path: string, kind: Kind = {}): Totals {
    const totals = new Totals(kind);
    const all = readStored(path);
    const stored = kind.swarm ? all?.swarm : all?.ranges && (all as Part);
    if (!stored) return totals;
    for (const [from, to] of stored.ranges) {
      for (let seed = from; seed <= to; seed++) totals.#seeds.add(seed);
    }
    for (const [commit, seeds] of Object.entries(stored.commits)) {
      totals.#commits.set(commit, seeds);
    }
    for (const [name, times] of Object.entries(stored.counts)) totals.counters.note(name, times);
    totals.failures.push(...stored.failures);
    totals.#cpu_s = stored.cpu_s;
    return totals;
  }

  get size(): number {
    return this.#seeds.size;
  }

  get cpu_s(): number {
    return this.#cpu_s;
  }

  /** Whether a seed has run; one that failed is to be run again, until it does not. */
  has(seed: number): boolean {
    return this.#seeds.has(seed) && !this.failures.some((failure) => failure.seed === seed);
  }

  take({ script, counts, cpu_ms, message }: Verdict, commit: string): void {
    const { seed } = script;
    const failed = this.failures.findIndex((failure) => failure.seed === seed);
    if (failed >= 0) this.failures.splice(failed, 1);
    this.#seeds.add(seed);
    this.#commits.set(commit, (this.#commits.get(commit) ?? 0) + 1);
    this.#cpu_s += cpu_ms / 1000;
    for (const [name, times] of counts) this.counters.note(name, times);
    if (message !== undefined) this.failures.push({ seed, commit, message });
  }

  /** Writes the file after each seed: an interrupted run loses little. */
  write(path: string): void {
    const part: Part = {
      ranges: this.ranges,
      commits: Object.fromEntries(this.#commits),
      failures: this.failures,
      cpu_s: Math.round(this.#cpu_s * 10) / 10,
      counts: Object.fromEntries([...this.counters.counts].sort(([a], [b]) => (a < b ? -1 : 1))),
    };
    const all = readStored(path);
    const stored: Stored = this.#kind.swarm
      ? { format: 1, ...all, swarm: part }
      : { format: 1, ...part, ...(all?.swarm ? { swarm: all.swarm } : {}) };
    writeFileSync(`${path}.part`, `${JSON.stringify(stored, undefined, 2)}\n`);
    renameSync(`${path}.part`, path);
  }

  get ranges(): [from: number, to: number][] {
    const ranges: [from: number, to: number][] = [];
    for (const seed of [...this.#seeds].sort((a, b) => a - b)) {
      const last = ranges.at(-1);
      if (last?.[1] === seed - 1) last[1] = seed;
      else ranges.push([seed, seed]);
    }
    return ranges;
  }
}

function readStored(path: string): Stored | undefined {
  if (!existsSync(path)) return undefined;
  const stored = JSON.parse(readFileSync(path, "utf8")) as Stored;
  if (stored.format === 1) return stored;
  throw new RangeError(`${path} has format ${String(stored.format)}; move it away`);
}
