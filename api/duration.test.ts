import { expect, it } from "vitest";
import { parseDuration } from "./duration.ts";

it.each([
  ["1h30m", 5_400_000_000_000n],
  ["-1.5s", -1_500_000_000n],
  ["0", 0n],
  ["+2ms", 2_000_000n],
  ["", undefined],
  ["-", undefined],
  ["-+1h", undefined],
  ["1", undefined],
  ["1h ", undefined],
  [`${"0".repeat(900)}1s`, 1_000_000_000n],
  // Numbers of many digits take long to convert: the time grows with their square.
  [`${"9".repeat(1_000_000)}h`, undefined],
])("reads %.20s", (text, nanos) => {
  expect(parseDuration(text)).toBe(nanos);
});
