import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { runLabChecks } from "./check.ts";
import { findLab, type Lab } from "./manifest.ts";
import { LABS_DIR } from "./paths.ts";
import { cacheFolder } from "./workspace.ts";

const before = process.env["TMPDIR"];
const folder = mkdtempSync(join(cacheFolder(), "labs-scratch-"));
const temporary = join(folder, "tmp");
const kept = join(folder, "kept");
beforeAll(() => {
  mkdirSync(temporary);
  process.env["TMPDIR"] = temporary;
});
afterAll(() => {
  rmSync(folder, { recursive: true });
  if (before === undefined) delete process.env["TMPDIR"];
  else process.env["TMPDIR"] = before;
});

/** Checks that leave a folder behind: one fails, another ends its process immediately. */
const LEAVING = `
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { check } from ${JSON.stringify(join(LABS_DIR, "check.ts"))};

check("fails", () => {
  throw new Error(\`left \${mkdtempSync(join(tmpdir(), "r2k-lab-"))}\`);
});
check("ends at once", () => {
  mkdtempSync(join(tmpdir(), "r2k-lab-"));
  process.kill(process.pid, "SIGKILL");
});
`;

/** Checks that leave mounts in their folder: a file system, and a folder that is not theirs. */
const MOUNTING = `
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { check } from ${JSON.stringify(join(LABS_DIR, "check.ts"))};

function mounted() {
  const root = mkdtempSync(join(tmpdir(), "r2k-lab-"));
  const [memory, kept] = ["memory", "kept"].map((name) => join(root, name));
  for (const dir of [memory, kept]) mkdirSync(dir);
  execFileSync("mount", ["-t", "tmpfs", "tmpfs", memory]);
  writeFileSync(join(memory, "file"), "");
  execFileSync("mount", ["--bind", ${JSON.stringify(kept)}, kept]);
  writeFileSync(join(kept, "file"), "");
  return root;
}
check("fails", () => {
  throw new Error(\`left \${mounted()}\`);
});
check("ends at once", () => {
  mounted();
  process.exit();
});
`;

async function expectNothingLeft(source: string, traits: Partial<Lab>): Promise<void> {
  writeFileSync(join(folder, "own.check.ts"), source);
  const own = { folder: relative(LABS_DIR, folder), checks: ["own.check.ts"] };
  const { outcomes } = await runLabChecks({ ...findLab("2"), ...own, ...traits }, [], {
    all: true,
  });
  expect(outcomes.map(({ title, passed }) => [title, passed])).toEqual([
    ["fails", false],
    ["ends at once", false],
  ]);
  expect(outcomes[0]!.message).toContain(`left ${temporary}/`);
  expect(readdirSync(temporary)).toEqual([]);
}

it("a check that fails or ends its process leaves no folder behind", async () => {
  await expectNothingLeft(LEAVING, {});
});

it.runIf(process.getuid?.() === 0).each([true, "processes"] as const)(
  "in namespaces it leaves none either, and what was mounted stays (%s)",
  async (namespaces) => {
    mkdirSync(kept, { recursive: true });
    await expectNothingLeft(MOUNTING, { namespaces });
    expect(readdirSync(kept)).toEqual(["file"]);
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(folder);
  },
);
