import { CPU_RATE_MS_MAX, CPU_RATE_MS_MIN } from "../limits.ts";

/** Cumulative CPU time at one moment. */
export interface CpuSample {
  time_ms: number;
  total_ns: number;
  /** Nanocores as the runtime itself computed them. */
  nanoCores: number | undefined;
}

/** Computes CPU rates from successive samples of each key. */
export class CpuRates {
  readonly #before = new Map<string, { sample: CpuSample; rate: number | undefined }>();

  /**
   * Returns nanocores since the previous sample; undefined for the first one, after CPU_RATE_MS_MAX
   * without one, and after a counter reset. A sample less than CPU_RATE_MS_MIN after the previous
   * one returns that one's rate.
   */
  rateOf(key: string, sample: CpuSample): number | undefined {
    if (sample.nanoCores !== undefined) return sample.nanoCores;
    const before = this.#before.get(key);
    const elapsed_ms = before ? sample.time_ms - before.sample.time_ms : Infinity;
    if (elapsed_ms >= 0 && elapsed_ms < CPU_RATE_MS_MIN) return before?.rate;
    const isRecent = elapsed_ms > 0 && elapsed_ms <= CPU_RATE_MS_MAX;
    const rate = before && isRecent ? rateBetween(before.sample, sample) : undefined;
    this.#before.set(key, { sample, rate });
    return rate;
  }

  /** Whether each key has a rate. */
  get complete(): boolean {
    return [...this.#before.values()].every(({ rate }) => rate !== undefined);
  }

  /** Drops all other keys. */
  retain(keys: ReadonlySet<string>): void {
    for (const key of this.#before.keys()) if (!keys.has(key)) this.#before.delete(key);
  }
}

function rateBetween(before: CpuSample, after: CpuSample): number | undefined {
  const used_ns = after.total_ns - before.total_ns;
  const elapsed_s = (after.time_ms - before.time_ms) / 1_000;
  return used_ns < 0 ? undefined : Math.round(used_ns / elapsed_s);
}
