import { expect, test } from "vitest";
import { detachSequence, keyFinder } from "./client.ts";

test("keys that leave a terminal are found in pieces, and after a part of them", () => {
  const isTyped = keyFinder(detachSequence("ctrl-p,ctrl-p,ctrl-q"));
  const found = ["a\x10", "\x10", "\x10", "\x11"].map((text) => isTyped(Buffer.from(text)));
  expect(found).toEqual([false, false, false, true]);
  expect(isTyped(Buffer.from("\x10\x11"))).toBe(false);
});
