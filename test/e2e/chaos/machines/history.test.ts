import { expect, test } from "vitest";
import { type Attempt, checkHistory } from "./history.ts";

let order = 0;
const answered = (write: boolean, value: string): Attempt => ({
  key: "a",
  write,
  value,
  began: ++order,
  ended: ++order,
  took_ms: 1,
});
const lost = (value: string): Attempt => ({
  key: "a",
  write: true,
  value,
  began: ++order,
  took_ms: 1,
  failure: "reset",
});

test("an unanswered write may show later or never; a lost or stale one is a violation", () => {
  const good = [answered(true, "1"), lost("2"), answered(false, "1"), answered(false, "2")];
  checkHistory(good);
  checkHistory([answered(false, "1")], new Map([["a", "1"]]));
  expect(() => checkHistory([answered(true, "1"), answered(false, "")])).toThrow(/is lost/);
  const stale = [answered(true, "1"), answered(true, "2"), answered(false, "1")];
  expect(() => checkHistory(stale)).toThrow(/is lost/);
});
