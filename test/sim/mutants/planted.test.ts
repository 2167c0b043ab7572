import { copyFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { findLab } from "../../../labs/runner/manifest.ts";
import { LABS_DIR } from "../../../labs/runner/paths.ts";
import { judgeSteps, stepsOf } from "../../../labs/runner/steps.ts";
import { writeSkeletons } from "../../../labs/runner/workspace.ts";
import { suiteFolder } from "../../../testing/folders.ts";
import { readCase, writeCase } from "../cases.ts";
import { runScript } from "../run.ts";
import { shrink } from "../shrink.ts";
import { MUTANTS } from "./all.ts";
import { PLANTED, plantedBug } from "./planted.ts";
import seeds from "./seeds.json" with { type: "json" };

const lab = findLab("20");
const page = readFileSync(join(LABS_DIR, lab.folder, "README.md"), "utf8");
const folder = suiteFolder("r2k-lab-20-");

const SUSPECTS = new Map(
  [...page.matchAll(/^\| ([a-z]) \| (.+) \|$/gm)].map(
    ([, letter, name]) => [name!, letter!] as const,
  ),
);

test("the page's suspects are bugs, and each bug's letter is the answer of its step", () => {
  const known = MUTANTS.map(({ name }) => name);
  expect([...SUSPECTS.keys()].filter((name) => !known.includes(name))).toEqual([]);
  const answers = PLANTED.map(
    (_, i) => stepsOf(lab).find(({ answer }) => answer === `bug${i + 1}`)?.is,
  );
  expect(answers).toEqual(PLANTED.map((name) => SUSPECTS.get(name)));
});

test("the page runs each bug at the seed that shows it", () => {
  const runs = [...page.matchAll(/^\| \d \| `npm run sim -- --planted (\d) --transcript (\d+)`/gm)];
  expect(runs.map(([, bug, seed]) => [Number(bug), Number(seed)])).toEqual(
    PLANTED.map((name, i) => [i + 1, seeds[name].seed]),
  );
});

/** Titles of the steps that do not hold, of a reader's folder. */
async function failing(my: string): Promise<string[]> {
  const env = { ...process.env, PATH: `${join(process.execPath, "..")}:${process.env["PATH"]}` };
  const { outcomes } = await judgeSteps(lab, { folder: my, env, patience_ms: 0 });
  return outcomes.filter(({ passed }) => !passed).map(({ title }) => title);
}

test("no step holds at the start, and a shrunk run with the right letters passes", async () => {
  writeSkeletons(lab, folder);
  expect(await failing(folder)).toEqual(stepsOf(lab).map(({ title }) => title));
  const { seams } = plantedBug(1);
  const script = { seed: seeds[PLANTED[0]].seed, swarm: true } as const;
  const least = await shrink({ script, seams, say: () => undefined });
  const path = join(folder, "1.json");
  writeCase(path, { found: least!.violation.message, script: least!.script, planted: 1 });
  copyFileSync(join(LABS_DIR, lab.folder, "solution/answers.yaml"), join(folder, "answers.yaml"));
  expect(await failing(folder)).toEqual([]);
  // The run without the bug, or that was not shrunk, is no answer.
  expect((await runScript({ script: readCase(path).script, seams: {} })).violation).toBeUndefined();
  writeCase(path, { found: "", script, planted: 1 });
  expect(await failing(folder)).toEqual(["bug 1, without anything that it does not need"]);
  expect(Object.keys(parse(readFileSync(join(folder, "answers.yaml"), "utf8")) as object)).toEqual(
    stepsOf(lab).flatMap(({ answer }) => answer ?? []),
  );
});
