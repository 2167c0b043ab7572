import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, it } from "vitest";
import { PART_CLOSE_MS_MAX, Parts } from "./started-parts.ts";

it("a part that does not end is left, and those before it end", async () => {
  const clock = new ManualClock();
  const parts = new Parts(clock);
  const ended: string[] = [];
  const asked = Promise.withResolvers<void>();
  await parts.start("first", async () => ({ close: async () => void ended.push("first") }));
  await parts.start("stuck", async () => ({
    close() {
      asked.resolve();
      return new Promise<void>(() => undefined);
    },
  }));
  const closed = parts.close();
  await asked.promise;
  clock.advance(PART_CLOSE_MS_MAX);
  await closed;
  expect(ended).toEqual(["first"]);
});
