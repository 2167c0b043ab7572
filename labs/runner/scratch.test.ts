import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runLabChecks } from "./check.ts";
import { findLab } from "./manifest.ts";
import { LABS_DIR } from "./paths.ts";
import { cacheFolder } from "./workspace.ts";

const before = process.env["TMPDIR"];
const folder = mkdtempSync(join(cacheFolder(), "labs-scratch-"));
const temporary = join(folder, "tmp");
beforeAll(() => {
  mkdirSync(temporary);
  process.env["TMPDIR"] = temporary;
});
afterAll(() => {
  rmSync(folder, { recursive: true });
  if (before === undefined) delete process.env["TMPDIR"];
  else process.env["TMPDIR"] = before;
});

/** Checks that leave a folder behind: one fails, another ends its process at once. */
const LEAVING = `
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { check } from ${JSON.stringify(join(LABS_DIR, "check.ts"))};

check("fails", () => {
  throw new Error(\`left \${mkdtempSync(join(tmpdir(), "r2k-lab-"))}\`);
});
check("is killed", () => {
  mkdtempSync(join(tmpdir(), "r2k-lab-"));
  process.kill(process.pid, "SIGKILL");
});
`;

it("a check that fails or is killed leaves no folder behind", async () => {
  writeFileSync(join(folder, "own.check.ts"), LEAVING);
  const lab = { ...findLab("2"), folder: relative(LABS_DIR, folder), checks: ["own.check.ts"] };
  const { outcomes } = await runLabChecks(lab, [], { all: true });
  expect(outcomes.map(({ title, passed }) => [title, passed])).toEqual([
    ["fails", false],
    ["is killed", false],
  ]);
  expect(outcomes[0]!.message).toContain(`left ${temporary}/`);
  expect(readdirSync(temporary)).toEqual([]);
});
