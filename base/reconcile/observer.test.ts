import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { WorkQueue } from "./workqueue.ts";

test("an observer sees each key added, taken and done once, and delays", async () => {
  const clock = new ManualClock();
  const seen: string[] = [];
  const note = (what: string) => (key: string) => void seen.push(`${what} ${key}`);
  const observer = {
    added: note("added"),
    taken: note("taken"),
    done: note("done"),
    delayed: () => void seen.push("delayed"),
  };
  const queue = new WorkQueue({ clock, observer });
  queue.add("a");
  queue.add("a");
  await queue.take();
  queue.add("a");
  queue.add("a");
  queue.done("a");
  await queue.take();
  queue.addRateLimited("a");
  queue.done("a");
  clock.advance(5);
  expect(seen).toEqual([
    "added a",
    "taken a",
    "added a",
    "done a",
    "taken a",
    "delayed",
    "done a",
    "added a",
  ]);
});
