import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { runLabChecks } from "../cli/labs/check.ts";
import { notWritten } from "../cli/labs/cut.ts";
import { readLabs } from "../cli/labs/manifest.ts";
import { typeCheck } from "../cli/labs/type-check.ts";
import { cacheFolder, writeReference, writeSkeletons } from "../cli/labs/workspace.ts";

const MUTANTS_MIN = 3;
const TIMEOUT_MS = 240_000;
const scratch = mkdtempSync(join(cacheFolder(), "labs-test-"));
afterAll(() => rmSync(scratch, { recursive: true }));

for (const lab of readLabs().filter((item) => item.files.length > 0)) {
  describe(`lab ${lab.number}`, () => {
    it(
      "its skeleton type-checks, and its checks fail because nothing is written yet",
      async () => {
        const tree = join(scratch, `${lab.number}-skeleton`);
        writeSkeletons(lab, tree);
        expect(await typeCheck(lab, tree)).toBe("");
        const outcomes = await runLabChecks(lab, [tree]);
        const reason = new RegExp(notWritten(lab.number, "[\\w-]+"));
        for (const { title, passed, message } of outcomes) {
          expect(passed, `${title} passes on the skeleton`).toBe(false);
          expect(message, title).toMatch(reason);
        }
      },
      TIMEOUT_MS,
    );

    it(
      "the reference passes",
      async () => {
        const tree = join(scratch, `${lab.number}-reference`);
        writeReference(lab, tree);
        const failures = (await runLabChecks(lab, [tree])).filter((outcome) => !outcome.passed);
        expect(failures).toEqual([]);
      },
      TIMEOUT_MS,
    );

    it(
      `catches at least ${MUTANTS_MIN} plausible wrong answers`,
      async () => {
        expect(lab.mutants.length).toBeGreaterThanOrEqual(MUTANTS_MIN);
        for (const [i, mutant] of lab.mutants.entries()) {
          const tree = join(scratch, `${lab.number}-mutant-${i}`);
          writeReference(lab, tree, mutant);
          const outcomes = await runLabChecks(lab, [tree], { only: mutant.caughtBy });
          const failed = outcomes.filter((outcome) => !outcome.passed);
          const titles = failed.map((outcome) => outcome.title).join("\n");
          expect(titles, `mutant "${mutant.name}"`).toContain(mutant.caughtBy);
          const { message } = failed[0]!;
          expect(message, `what mutant "${mutant.name}" is told`).toMatch(/why it matters: /);
        }
      },
      TIMEOUT_MS,
    );
  });
}
