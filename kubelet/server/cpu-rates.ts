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
   * Returns nanocores since the previous sample; undefined for the first one, and after a counter
   * reset. Samples less than SHORTEST_MS apart return the previous rate.
   */
  rateOf(key: string, sample: CpuSample): number | undefined {
    if (sample.nanoCores !== undefined) return sample.nanoCores;
    const before = this.#before.get(key);
    if (before && sample.time_ms - before.sample.time_ms < SHORTEST_MS) return before.rate;
    const rate = before && rateBetween(before.sample, sample);
    this.#before.set(key, { sample, rate });
    return rate;
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

/** Shortest interval of a meaningful rate. */
const SHORTEST_MS = 1_000;
