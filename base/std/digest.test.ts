import { expect, test } from "vitest";
import { digest } from "./digest.ts";

test("a digest has too many bits for a search of a second text with it", () => {
  const bits = digest("default/deny-all").length * 4;
  expect(bits).toBeGreaterThanOrEqual(128);
});
