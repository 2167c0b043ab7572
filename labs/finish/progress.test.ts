import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, it } from "vitest";
import { awaitProgress, PROGRESS_MS_MAX } from "./progress.ts";

const POLLS = 5;

/** Waits for a condition that holds after some polls, each of `wall_ms` and `idle_ms`. */
async function wait(wall_ms: number, idle_ms: number, failure?: string): Promise<number> {
  const [wall, idle] = [new ManualClock(), new ManualClock()];
  let polls = 0;
  const progress = awaitProgress(
    {
      when: "a test",
      expected: "progress",
      members: [{ id: 2, failure }],
      condition: () => Promise.resolve(++polls > POLLS),
    },
    { wall, idle },
  );
  let over = false;
  const end = () => (over = true);
  void progress.then(end, end);
  while (!over) {
    idle.advance(idle_ms);
    wall.advance(wall_ms);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await progress;
  return polls;
}

it("counts no time in which the members wait for a processor", async () => {
  expect(await wait(2 * PROGRESS_MS_MAX, 0)).toBe(POLLS + 1);
  await expect(wait(1_000, PROGRESS_MS_MAX)).rejects.toThrow(/within 30 s/);
});

it("ends as soon as a member has ended by itself", async () => {
  await expect(wait(1, 0, "a commit that conflicts")).rejects.toThrow(/2 ended by itself: a/);
});
