/** Cumulative CPU time at one moment. */
export interface CpuSample {
  time_ms: number;
  total_ns: number;
  /** Nanocores as the runtime itself computed them. */
  nanoCores: number | undefined;
}

/** Keeps the last sample of each key, from which the next one gives a rate. */
export class CpuRates {
  readonly #before = new Map<string, { sample: CpuSample; rate: number | undefined }>();

  /**
   * Nanocores since the sample before; undefined for the first one, and after a counter that was
   * reset. Samples less than SHORTEST_MS apart give the rate before.
   */
  rateOf(key: string, sample: CpuSample): number | undefined {
    if (sample.nanoCores !== undefined) return sample.nanoCores;
    const before = this.#before.get(key);
    if (before && sample.time_ms - before.sample.time_ms < SHORTEST_MS) return before.rate;
    const rate = before && rateBetween(before.sample, sample);
    this.#before.set(key, { sample, rate });
    return rate;
  }

  /** Forgets all keys but these. */
  retain(keys: ReadonlySet<string>): void {
    for (const key of this.#before.keys()) if (!keys.has(key)) this.#before.delete(key);
  }
}

function rateBetween(before: CpuSample, after: CpuSample): number | undefined {
  const used_ns = after.total_ns - before.total_ns;
  const elapsed_s = (after.time_ms - before.time_ms) / 1_000;
  return used_ns < 0 ? undefined : Math.round(used_ns / elapsed_s);
}

/** Over less than this a rate says nothing. */
const SHORTEST_MS = 1_000;
