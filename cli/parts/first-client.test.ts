import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, type Mock, test, vi } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { firstClient } from "./first-client.ts";

/** A node without a certificate, whose requests for one the test answers. */
async function setUp() {
  const dir = testFolder("r2k-first-");
  const clock = new ManualClock();
  const asked: PromiseWithResolvers<void>[] = [];
  const obtain = vi.fn(() => {
    const request = Promise.withResolvers<void>();
    asked.push(request);
    return request.promise;
  });
  const close = vi.fn(async () => undefined);
  const startStatic = vi.fn(async () => ({ close }));
  const kubeconfig = join(dir, "kubelet.conf");
  const run = () => firstClient(obtain, clock, kubeconfig, startStatic);
  return { clock, asked, obtain, close, startStatic, kubeconfig, run };
}

/** Moves the clock until a function was called so often. */
const called = (fn: Mock, times: number, clock: ManualClock, step_ms: number) =>
  expect.poll(() => (clock.advance(step_ms), fn)).toHaveBeenCalledTimes(times);

test("a certificate that comes soon needs no static pods, nor does a node that was one", async () => {
  const { clock, asked, startStatic, kubeconfig, run } = await setUp();
  const got = run();
  clock.advance(30_000);
  asked[0]!.resolve();
  await got;
  await writeFile(kubeconfig, "");
  const again = expect(run()).rejects.toThrow("refused");
  asked[1]!.reject(new Error("refused"));
  await again;
  expect(startStatic).not.toHaveBeenCalled();
});

test("while a request waits for a person static pods run, and the same request goes on", async () => {
  const { clock, asked, obtain, close, startStatic, run } = await setUp();
  const got = run();
  clock.advance(44_999);
  expect(startStatic).not.toHaveBeenCalled();
  await called(startStatic, 1, clock, 1_000);
  clock.advance(60_000);
  expect(close).not.toHaveBeenCalled();
  asked[0]!.resolve();
  await got;
  expect([obtain.mock.calls.length, close.mock.calls.length]).toEqual([1, 1]);
});

test("a request that is refused while static pods start is made again", async () => {
  const { clock, asked, obtain, close, startStatic, run } = await setUp();
  const started = Promise.withResolvers<{ close: typeof close }>();
  startStatic.mockImplementationOnce(() => started.promise);
  const got = run();
  await called(startStatic, 1, clock, 45_000);
  asked[0]!.reject(new Error("refused"));
  await new Promise((resolve) => setImmediate(resolve));
  started.resolve({ close });
  await called(obtain, 2, clock, 1_000);
  asked[1]!.resolve();
  await got;
  expect(close).toHaveBeenCalledTimes(1);
});

test("an API server that does not answer may be one of the static pods", async () => {
  const { clock, asked, obtain, close, startStatic, run } = await setUp();
  const got = run();
  asked[0]!.reject(new Error("ECONNREFUSED"));
  await expect.poll(() => startStatic).toHaveBeenCalledTimes(1);
  await expect.poll(() => obtain).toHaveBeenCalledTimes(2);
  asked[1]!.reject(new Error("ECONNREFUSED"));
  await called(obtain, 3, clock, 1_000);
  asked[2]!.resolve();
  await got;
  expect(close).toHaveBeenCalledTimes(1);
});
