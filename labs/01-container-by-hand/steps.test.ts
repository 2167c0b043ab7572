import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { runLabChecks } from "../runner/check.ts";
import { findLab } from "../runner/manifest.ts";
import { cacheFolder, writeReference, writeSkeletons } from "../runner/workspace.ts";

const scratch = mkdtempSync(join(cacheFolder(), "labs-steps-"));
afterAll(() => rmSync(scratch, { recursive: true }));
const isRoot = process.getuid?.() === 0;

it.each([
  ["root.ts", "another root"],
  ["mounts.ts", "masked paths"],
  ["privileges.ts", "fewer privileges"],
  ["state.ts", "created, running"],
  ...(isRoot ? [["cgroup.ts", "the process in its cgroup"] as const] : []),
] as const)("of lab 01, %s is judged while no other file is written", async (file, title) => {
  const lab = findLab("1");
  const [whole, tree] = ["whole", "tree"].map((name) => join(scratch, `${file}-${name}`));
  writeReference(lab, whole!);
  writeSkeletons(lab, tree!);
  const path = join("runtime/by-hand", file);
  copyFileSync(join(whole!, path), join(tree!, path));
  const { outcomes } = await runLabChecks(lab, [tree!], { only: `step: ${title}` });
  expect(outcomes.map(({ passed, message }) => [passed, message])).toEqual([[true, ""]]);
});
