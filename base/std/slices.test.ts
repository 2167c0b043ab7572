import { expect, it } from "vitest";
import { ManualClock } from "./clock.ts";
import { inSlices, Slices } from "./slices.ts";

it("other events are processed between the slices of long work, not within one", async () => {
  const clock = new ManualClock();
  const order: string[] = [];
  function* work(): Generator<void, string> {
    for (const step of ["a", "b", "c", "d", "e"]) {
      order.push(step);
      clock.advance(4);
      yield;
    }
    return "done";
  }
  setImmediate(() => order.push("other"));
  const result = inSlices(work(), new Slices(clock));
  expect(await result).toBe("done");
  expect(order).toEqual(["a", "b", "c", "other", "d", "e"]);
});
