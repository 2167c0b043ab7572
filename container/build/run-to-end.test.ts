import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { runToEnd } from "./run-to-end.ts";

/** A program whose child lives on and holds its output. */
const LEAVES_A_CHILD = "sleep 60 & echo $!; ";

function run(script: string, timeout_ms: number, signal = new AbortController().signal) {
  let pid = 0;
  const { promise: started, resolve } = Promise.withResolvers<void>();
  const done = runToEnd("sh", ["-c", LEAVES_A_CHILD + script], {
    clock: systemClock(),
    timeout_ms,
    signal,
    reason: (code) => (code === 137 ? ": killed, as of memory" : ""),
    output: (chunk) => {
      pid = Number(chunk);
      resolve();
    },
  }).finally(() => process.kill(pid));
  return { done, started };
}

test("a step ends with its program, whatever holds its output", async () => {
  await run("exit 0", 20_000).done;
  await expect(run("exit 3", 20_000).done).rejects.toThrow("exit code 3");
  const killed = run("exit 137", 20_000).done;
  await expect(killed).rejects.toThrow("exit code 137: killed, as of memory");
});

test("a step's time and its build's end are its own", async () => {
  await expect(run("sleep 60", 300).done).rejects.toThrow("took over 300 ms");
  const interrupted = new AbortController();
  const stopped = run("sleep 60", 20_000, interrupted.signal);
  await stopped.started;
  interrupted.abort(new Error("interrupted"));
  await expect(stopped.done).rejects.toThrow("interrupted");
}, 15_000);
