import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { runToEnd } from "./run-to-end.ts";

/** A program whose child lives on and holds its output. */
const LEAVES_A_CHILD = "sleep 60 & echo $!; ";

function run(script: string, timeout_ms: number, signal = new AbortController().signal) {
  let ends = 0;
  let pid = 0;
  const { promise: started, resolve } = Promise.withResolvers<void>();
  const done = runToEnd("sh", ["-c", LEAVES_A_CHILD + script], {
    clock: systemClock(),
    timeout_ms,
    signal,
    reason: (code) => (code === 137 ? ": killed, as of memory" : ""),
    end: async () => void ends++,
    output: (chunk) => {
      pid = Number(chunk);
      resolve();
    },
  }).finally(() => process.kill(pid));
  return { done, started, ends: () => ends };
}

test("a step ends with its program, whatever holds its output", async () => {
  await run("exit 0", 20_000).done;
  await expect(run("exit 3", 20_000).done).rejects.toThrow("exit code 3");
  const killed = run("exit 137", 20_000).done;
  await expect(killed).rejects.toThrow("exit code 137: killed, as of memory");
});

test("a step's time and its build's end are its own, and those of what it started", async () => {
  const late = run("sleep 60", 300);
  await expect(late.done).rejects.toThrow("took over 300 ms");
  const interrupted = new AbortController();
  const stopped = run("sleep 60", 20_000, interrupted.signal);
  await stopped.started;
  interrupted.abort(new Error("interrupted"));
  await expect(stopped.done).rejects.toThrow("interrupted");
  expect([late.ends(), stopped.ends()]).toEqual([1, 1]);
}, 15_000);
