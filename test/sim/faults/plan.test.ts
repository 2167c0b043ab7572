import type { Random } from "@raft2kube/std/random.ts";
import { expect, test } from "vitest";
import { drawFaults, EVERYDAY_FAULTS } from "./plan.ts";

/** Chooses the everyday fault at `index` alone. */
function choosing(index: number): Random {
  let drawn = 0;
  return { next: () => (drawn++ === index ? 0 : 0.9) };
}

test("a fault that can recur is a run's only one; a bounded one brings all others along", () => {
  const drawn = EVERYDAY_FAULTS.map((_, index) => drawFaults(choosing(index), true).length);
  const single = EVERYDAY_FAULTS.map(({ bounded }) => !bounded);
  expect(drawn.map((length) => length === 1)).toEqual(single);
  expect(single).toContain(false);
});
