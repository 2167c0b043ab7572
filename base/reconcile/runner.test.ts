import { ManualClock } from "@raft2kube/std/clock.ts";
import { aborted } from "@raft2kube/std/wait.ts";
import { describe, expect, test } from "vitest";
import { Runner, type RunnerOptions } from "./runner.ts";

/** A runner whose passes are recorded by their start time, and end when the test says so. */
function start(options: Partial<RunnerOptions> = {}) {
  const clock = new ManualClock();
  const passes_ms: number[] = [];
  const outcomes: unknown[] = [];
  let gate = Promise.withResolvers<void | number>();
  const runner = new Runner({
    clock,
    run() {
      passes_ms.push(clock.monotonic());
      return gate.promise;
    },
    report: (thrown) => void outcomes.push(thrown),
    ...options,
  });
  const settle = async (end: (gate: PromiseWithResolvers<void | number>) => void) => {
    const ended = gate;
    gate = Promise.withResolvers();
    const before = outcomes.length;
    end(ended);
    await expect.poll(() => outcomes.length).toBe(before + 1);
    await Promise.resolve();
  };
  return {
    clock,
    runner,
    passes_ms,
    outcomes,
    succeed: (next_ms?: number) => settle(({ resolve }) => resolve(next_ms)),
    fail: (why: string) => settle(({ reject }) => reject(new Error(why))),
  };
}

describe("Runner", () => {
  test("aborts the pass under way when it closes, and waits for its end", async () => {
    const ended: string[] = [];
    const run = (signal: AbortSignal) => aborted(signal).then(() => void ended.push("pass"));
    const { runner } = start({ run });
    runner.request();
    await runner.close();
    expect(ended).toEqual(["pass"]);
  });

  test("collects the requests of a burst into one pass", () => {
    const { clock, runner, passes_ms } = start({ min_ms: 20 });
    runner.request();
    clock.advance(10);
    runner.request();
    clock.advance(100);
    expect(passes_ms).toEqual([20]);
  });

  test("keeps the earliest of several requests; 0 starts a pass at once", () => {
    const { clock, runner, passes_ms } = start();
    runner.request(1_000);
    runner.request(200);
    runner.request(5_000);
    clock.advance(150);
    runner.request(0);
    expect(passes_ms).toEqual([150]);
    clock.advance(10_000);
    expect(passes_ms).toEqual([150]);
  });

  test("runs one pass at a time, and another for requests since it started", async () => {
    const { clock, runner, passes_ms, succeed } = start();
    runner.request();
    runner.request();
    runner.request();
    clock.advance(7);
    expect(passes_ms).toEqual([0]);
    await succeed();
    expect(passes_ms).toEqual([0, 7]);
    await succeed();
    clock.advance(1_000_000);
    expect(passes_ms).toEqual([0, 7]);
  });

  test("repeats a pass after max_ms, or after the time that it asks for", async () => {
    const { clock, runner, passes_ms, succeed } = start({ max_ms: 1_000 });
    runner.request();
    await succeed();
    clock.advance(999);
    expect(passes_ms).toEqual([0]);
    clock.advance(1);
    await succeed(50);
    clock.advance(50);
    expect(passes_ms).toEqual([0, 1_000, 1_050]);
  });

  test("repeats failed passes with back-off, and starts over after a success", async () => {
    const { clock, runner, passes_ms, outcomes, succeed, fail } = start({
      retry: { first_ms: 100, most_ms: 300 },
    });
    runner.request();
    for (const pause_ms of [100, 200, 300, 300]) {
      await fail("no");
      clock.advance(pause_ms - 1);
      const before = passes_ms.length;
      clock.advance(1);
      expect(passes_ms.length).toBe(before + 1);
    }
    await succeed();
    runner.request();
    await fail("again");
    clock.advance(100);
    expect(passes_ms.at(-1)).toBe(1_000);
    expect(outcomes.map((thrown) => thrown && String(thrown))).toEqual([
      ...Array(4).fill("Error: no"),
      undefined,
      "Error: again",
    ]);
  });

  test("shortens a back-off by a request, but not below its first pause", async () => {
    const { clock, runner, passes_ms, fail } = start({ retry: { first_ms: 100, most_ms: 9_000 } });
    runner.request();
    await fail("no");
    clock.advance(100);
    await fail("no"); // the next pass is due at 300
    runner.request();
    clock.advance(99);
    expect(passes_ms).toEqual([0, 100]);
    clock.advance(1);
    expect(passes_ms).toEqual([0, 100, 200]);
    runner.request(); // while the pass is under way
    await fail("no");
    clock.advance(100);
    expect(passes_ms).toEqual([0, 100, 200, 300]);
  });

  test("starts no pass after close, which waits for the one under way", async () => {
    const { clock, runner, passes_ms, succeed } = start({ max_ms: 10 });
    runner.request();
    let isClosed = false;
    const closed = runner.close().then(() => (isClosed = true));
    runner.request();
    await Promise.resolve();
    expect(isClosed).toBe(false);
    await succeed();
    await closed;
    clock.advance(1_000);
    expect(passes_ms).toEqual([0]);
  });

  test("reports no failure of a pass that close interrupted", async () => {
    const end = Promise.withResolvers<void>();
    const { runner, outcomes } = start({ run: () => end.promise });
    runner.request();
    const closed = runner.close();
    end.reject(new Error("aborted"));
    await closed;
    expect(outcomes).toEqual([]);
  });

  test("starts no pass by itself after one that returned Infinity", async () => {
    const { clock, runner, passes_ms, succeed } = start({ max_ms: 10 });
    runner.request();
    await succeed(Infinity);
    clock.advance(1_000);
    runner.request();
    expect(passes_ms).toEqual([0, 1_000]);
  });

  test("takes a pass that throws at once for a failed one", async () => {
    const { runner, outcomes } = start({
      run() {
        throw new Error("broken");
      },
    });
    runner.request();
    await runner.close();
    expect(String(outcomes[0])).toBe("Error: broken");
  });
});
