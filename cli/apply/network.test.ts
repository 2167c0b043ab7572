import { expect, test } from "vitest";
import { hostDevice } from "./network.ts";

test("the host's device has a name that the kernel takes, one for each cluster", () => {
  expect(hostDevice({ name: "default" })).toBe("r2k-default");
  expect(hostDevice({ name: "eleven-char" })).toBe("r2k-eleven-char");
  const long = ["sixteen-letters1", "sixteen-letters2"].map((name) => hostDevice({ name }));
  for (const device of long) expect(device).toMatch(/^r2k-sixt-[0-9a-f]{6}$/);
  expect(new Set(long).size).toBe(2);
});
