import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { cgroups, PROBE } from "./cgroups.ts";

/** The root in which the check made its group. */
const rootOf = ({ detail }: { detail: string }) => / at ([^,:]+)/.exec(detail)![1]!;

it("a preflight that was killed stops no later one, and two run at a time", async () => {
  const first = await cgroups.ask();
  expect(first).toEqual({ state: "ok", detail: expect.stringContaining("writable") });
  const probe = join(rootOf(first), `${PROBE}left`);
  mkdirSync(probe);
  const several = Array.from({ length: 50 }, () => cgroups.ask());
  expect(await Promise.all(several)).toEqual(several.map(() => first));
  expect(existsSync(probe)).toBe(false);
});
