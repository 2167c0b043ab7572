import { join } from "node:path";
import { type Clock, ManualClock } from "@raft2kube/std/clock.ts";
import { expect, onTestFinished, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { waitFor } from "../../testing/wait.ts";
import { EXIT_CHECK_INTERVAL_MS } from "../limits.ts";
import type { ExitPorts } from "./exit.ts";
import { ExitWatcher } from "./exit-watcher.ts";

test("a wait for a container's end that took long keeps no more than its last timer", async () => {
  const dir = testFolder("r2k-exits-");
  const clock = new ManualClock();
  let [started, cancelled] = [0, 0];
  const counting: Clock = {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    after(delay_ms, fn) {
      started++;
      const timer = clock.after(delay_ms, fn);
      return {
        cancel() {
          cancelled++;
          timer.cancel();
        },
      };
    },
  };
  const record = { id: "c", phase: { state: "running" } };
  let ends = false;
  const runtime = {
    clock: counting,
    paths: { exits: join(dir, "exits") },
    containers: { find: () => record, values: () => [record] },
    turns: {
      run: async () => {
        if (ends) record.phase.state = "exited";
        return ends;
      },
    },
  } as unknown as ExitPorts;
  const watcher = new ExitWatcher();
  await watcher.open(runtime);
  onTestFinished(() => watcher.close());
  const ended = watcher.ended("c", 60_000);
  for (let wait = 1; wait <= 5; wait++) {
    await waitFor("the next wait", () => started === wait);
    if (wait < 5) clock.advance(EXIT_CHECK_INTERVAL_MS);
  }
  const before = cancelled;
  ends = true;
  watcher.check("c");
  expect(await ended).toBe(true);
  expect(cancelled - before).toBe(1);
});
