import { describe, expect, it } from "vitest";
import { SAME_LINES_BEFORE_SAMPLING, SAMPLED_MESSAGES_MAX, SAMPLED_ONE_IN } from "./limits.ts";
import { Sampler } from "./sampling.ts";

describe("sampling of a flood of log lines", () => {
  it("writes the first hundred in a second, then one in a hundred with the number left out", () => {
    const sampler = new Sampler();
    const lines = Array.from({ length: SAME_LINES_BEFORE_SAMPLING + 2 * SAMPLED_ONE_IN }, () => {
      return sampler.admit("slow", 5_000);
    });
    const written = lines.filter((line) => line !== undefined);
    expect(written).toHaveLength(SAME_LINES_BEFORE_SAMPLING + 2);
    expect(written.map(({ leftOut }) => leftOut).filter((count) => count > 0)).toEqual([
      SAMPLED_ONE_IN - 1,
      SAMPLED_ONE_IN - 1,
    ]);
    expect(sampler.admit("another", 5_000)).toEqual({ leftOut: 0 });
  });

  it("starts again with each second, and reports the number left out in the last one", () => {
    const sampler = new Sampler();
    for (let i = 0; i < SAME_LINES_BEFORE_SAMPLING + 7; i++) sampler.admit("slow", 5_999);
    expect(sampler.admit("slow", 6_000)).toEqual({ leftOut: 7 });
    expect(sampler.admit("slow", 6_001)).toEqual({ leftOut: 0 });
  });

  it("counts a bounded number of messages and writes every line of the others", () => {
    const sampler = new Sampler();
    for (let i = 0; i < SAMPLED_MESSAGES_MAX; i++) sampler.admit(`message ${i}`, 0);
    for (let i = 0; i < 2 * SAME_LINES_BEFORE_SAMPLING; i++) {
      expect(sampler.admit("one more", 0)).toEqual({ leftOut: 0 });
    }
  });
});
