import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { runWorkers } from "./workers.ts";
import { WorkQueue } from "./workqueue.ts";

test("keys that wait for no I/O leave turns of the event loop to others", async () => {
  const clock = systemClock();
  const queue = new WorkQueue({ clock, workers: 2 });
  const seen: string[] = [];
  for (const key of ["a", "b", "c"]) queue.add(key);
  setImmediate(() => void seen.push("other"));
  await runWorkers({
    name: "test",
    queue,
    isExpected: () => false,
    reconcile(key) {
      const until_ms = clock.monotonic() + 20;
      while (clock.monotonic() < until_ms);
      seen.push(key);
      if (key === "c") queue.close();
      return Promise.resolve();
    },
  });
  expect(seen.slice(0, seen.indexOf("c"))).toContain("other");
});
