/** One measured measurement, and the peer's from the same run on the same machine. */
export interface Row {
  readonly what: string;
  readonly unit: string;
  readonly ours: number;
  readonly peer?: { readonly name: string; readonly value: number };
  readonly goal?: string;
  /** The least and the greatest of several rounds, where all of them are printed. */
  readonly ranges?: { readonly ours: Range; readonly peer: Range };
  /** CPU time of each operation in microseconds, of the server and of its load apart. */
  readonly cpu_us?: { readonly ours: CpuTime; readonly peer: CpuTime };
  /** The same at another size. */
  readonly at?: { readonly size: number; readonly ours: number; readonly peer: number };
  /** Growth of the cost between sizes ten times apart, as a power of the size. */
  readonly exponent?: { readonly ours: number; readonly peer: number };
}

/** The server's with all members and threads, with the least and the greatest of the rounds. */
export interface CpuTime {
  readonly server: number;
  readonly range?: Range;
  readonly generator: number;
}

export type Range = readonly [least: number, greatest: number];

/** Measures and returns its rows; prints progress to standard error. */
export type Benchmark = (args: readonly string[]) => Promise<Row[]>;

/** The least and the greatest of several runs. */
export const rangeOf = (values: readonly number[]): Range => [
  Math.min(...values),
  Math.max(...values),
];

/** The value that `share` of all are below. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

/** The middle of several runs. */
export const median = (values: readonly number[]): number => quantile(values, 0.5);
