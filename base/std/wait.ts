import type { Clock } from "./clock.ts";

/** Resolves after `delay_ms`, or immediately when `signal` aborts. */
export function delay(clock: Clock, delay_ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const done = () => {
      timer.cancel();
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = clock.after(delay_ms, done);
    signal?.addEventListener("abort", done, { once: true });
  });
}

/** Waits for all, then rejects with the first failure: one failure does not leave others running. */
export async function allEnded(work: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(work)).find((one) => one.status === "rejected");
  if (failed) throw failed.reason;
}

/**
 * Runs `work`, then reports its result, or what it threw: immediately, or when the promise that it
 * returned settles. Returns and throws as `work` does.
 */
export function reported<T>(
  work: () => T,
  done: (result: Awaited<T>) => void,
  failed: (thrown: unknown) => void,
): T {
  try {
    const result = work();
    if (result instanceof Promise) void result.then(done, failed);
    else done(result as Awaited<T>);
    return result;
  } catch (thrown) {
    failed(thrown);
    throw thrown;
  }
}

/**
 * Settles as `result` does; if that takes longer than `most_ms`, resolves with what `instead`
 * returns, by default undefined.
 */
export async function resultWithin<T, L = undefined>(
  clock: Clock,
  result: Promise<T>,
  most_ms: number,
  instead?: () => L,
): Promise<T | L> {
  const settled = new AbortController();
  const late = delay(clock, most_ms, settled.signal).then(() => instead?.() as L);
  try {
    return await Promise.race([result, late]);
  } finally {
    settled.abort();
  }
}

/** Resolves when the signal is aborted. */
export function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** The condition did not become true within its timeout. */
export class WaitTimeoutError extends Error {
  override readonly name = "WaitTimeoutError";
  readonly code = "ETIMEDOUT";
}

/**
 * Calls `probe` until it returns a value other than undefined, null or false, and resolves with
 * it. Rejects with WaitTimeoutError, naming `what` and the last error, after `timeout_ms`, and
 * with the signal's reason when that aborts.
 */
export async function waitFor<T>(
  what: string,
  probe: () => T | Promise<T>,
  options: { clock: Clock; timeout_ms?: number; interval_ms?: number; signal?: AbortSignal },
): Promise<NonNullable<Exclude<T, false>>> {
  const { clock, timeout_ms = 30_000, interval_ms = 25, signal } = options;
  const end_ms = clock.monotonic() + timeout_ms;
  let last: unknown;
  for (;;) {
    signal?.throwIfAborted();
    try {
      const value = await probe();
      if (value !== undefined && value !== null && value !== false) {
        return value as NonNullable<Exclude<T, false>>;
      }
      last = undefined;
    } catch (thrown) {
      last = thrown;
    }
    if (clock.monotonic() >= end_ms) {
      const why = last === undefined ? "" : `; last error: ${String(last)}`;
      throw new WaitTimeoutError(`waited ${timeout_ms} ms for ${what}${why}`);
    }
    await delay(clock, interval_ms, signal);
  }
}
