import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, onTestFinished, test } from "vitest";
import { waitFor } from "../testing/wait.ts";
import type { ExitWatcher } from "./container/exit-watcher.ts";
import { MONITOR_CHECK_INTERVAL_MS } from "./limits.ts";
import { startRepair } from "./repair.ts";

test("a sandbox whose first process was killed is reported, once", async () => {
  const clock = new ManualClock();
  const stopped: string[] = [];
  let looks = 0;
  const pause = { pid: process.pid, startTicks: "another process's" };
  const ready = (id: string) => ({ id, state: "ready", pause });
  let sandboxes = [ready("a"), { ...ready("ended"), state: "notready" }];
  const runtime = {
    clock,
    paths: { sandbox: () => ({ config: import.meta.filename }) },
    containers: { values: () => [] },
    sandboxes: { values: () => sandboxes },
    events: { sandboxStopped: (id: string) => void stopped.push(id) },
  } as unknown as Parameters<typeof startRepair>[0];
  const exits = { reopen: async () => void looks++ } as unknown as ExitWatcher;
  const repair = startRepair(runtime, exits);
  onTestFinished(() => repair.close());
  await waitFor("a look", () => looks > 0);
  sandboxes = [ready("a"), ready("b")];
  const further = () => (clock.advance(MONITOR_CHECK_INTERVAL_MS), looks > 3);
  await waitFor("further looks", further);
  expect(stopped).toEqual(["a", "b"]);
});
