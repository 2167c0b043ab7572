import { expect, test } from "vitest";
import { EXECS_PER_CONTAINER } from "../limits.ts";
import { ExecCounts } from "./exec-counts.ts";

test("a container runs so many commands at a time, whatever others run", () => {
  const counts = new ExecCounts();
  const leave = Array.from({ length: EXECS_PER_CONTAINER }, () => counts.enter("a"));
  const refused = expect.objectContaining({ code: "resource-exhausted" });
  expect(() => counts.enter("a")).toThrow(refused);
  counts.enter("b");
  leave[0]!();
  leave[0]!();
  counts.enter("a");
  expect(() => counts.enter("a")).toThrow(refused);
});
