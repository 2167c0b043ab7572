import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test, vi } from "vitest";
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

/** Moves the clock until something is so. */
const until = (clock: ManualClock, step_ms: number, check: () => void) =>
  vi.waitFor(() => {
    clock.advance(step_ms);
    check();
  });

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
  await until(clock, 1_000, () => expect(startStatic).toHaveBeenCalledTimes(1));
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
  await until(clock, 45_000, () => expect(startStatic).toHaveBeenCalledTimes(1));
  asked[0]!.reject(new Error("refused"));
  await new Promise((resolve) => setImmediate(resolve));
  started.resolve({ close });
  await until(clock, 1_000, () => expect(obtain).toHaveBeenCalledTimes(2));
  asked[1]!.resolve();
  await got;
  expect(close).toHaveBeenCalledTimes(1);
});

test("an API server that does not answer may be one of the static pods", async () => {
  const { clock, asked, obtain, close, startStatic, run } = await setUp();
  const got = run();
  asked[0]!.reject(new Error("ECONNREFUSED"));
  await vi.waitFor(() => expect(startStatic).toHaveBeenCalledTimes(1));
  await vi.waitFor(() => expect(obtain).toHaveBeenCalledTimes(2));
  asked[1]!.reject(new Error("ECONNREFUSED"));
  await until(clock, 1_000, () => expect(obtain).toHaveBeenCalledTimes(3));
  asked[2]!.resolve();
  await got;
  expect(close).toHaveBeenCalledTimes(1);
});
