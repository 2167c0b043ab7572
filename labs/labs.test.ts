// Each test stands alone: one that fails is repeated without the minutes of the others.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { DRAW_SEED, drawn } from "../testing/drawn.ts";
import { textWithTables } from "./clauses.ts";
import { hintOfCheck } from "./runner/bodies.ts";
import { runLabChecks } from "./runner/check.ts";
import { runContract } from "./runner/contract.ts";
import { notWritten, regionsOf } from "./runner/cut.ts";
import { type Lab, type Mutant, readLabs } from "./runner/manifest.ts";
import { LABS_DIR, ROOT_DIR } from "./runner/paths.ts";
import { typeCheck } from "./runner/type-check.ts";
import { cacheFolder, writeReference, writeSkeletons } from "./runner/workspace.ts";

/**
 * A run judges a lab in one of three ways or leaves it to others: the references of so many, one
 * mutant each of so many others, the skeletons of so many of the rest. With R2K_LAB_MUTANTS=all
 * every lab has all three, with every mutant.
 */
const REFERENCES_DRAWN = 2;
const MUTATED_DRAWN = 2;
const SKELETONS_DRAWN = 1;
/** Named mistakes that it judges, and labs whose contract suite it runs on a reader's part. */
const NAMED_DRAWN = 1;
const CONTRACTS_DRAWN = 1;
const JUDGES_ALL = process.env["R2K_LAB_MUTANTS"] === "all";
const TIMEOUT_MS = JUDGES_ALL ? 1_200_000 : 600_000;
const DIAGRAM = /why it matters: [^]*member 1 +member 2/;
const scratch = mkdtempSync(join(cacheFolder(), "labs-test-"));
afterAll(() => rmSync(scratch, { recursive: true }));
// The same modules are loaded by each of a hundred processes, and by those of a whole run before.
process.env["NODE_COMPILE_CACHE"] ??= join(scratch, "compile");

const labs = readLabs().filter((item) => item.files.length > 0);

it("no file belongs to two labs: all trees of a reader overlay the product at once", () => {
  const files = labs.flatMap((lab) => lab.files);
  expect(files.filter((file, i) => files.indexOf(file) !== i)).toEqual([]);
});

it("every tagged region is in a file of its lab, and every file of a lab has one", () => {
  const tags = labs.flatMap((lab) => {
    return lab.files.map((file) => {
      const text = readFileSync(join(ROOT_DIR, file), "utf8");
      const foreign = regionsOf(text, file).filter((region) => region.lab !== lab.number);
      return { file, own: regionsOf(text, file).length > 0, foreign: foreign.length };
    });
  });
  expect(tags.filter(({ own, foreign }) => !own || foreign > 0)).toEqual([]);
});

/** Returns the message of the first failing check with this in its title; empty when none fails. */
async function failureOf(lab: Lab, tree: string, only: string): Promise<string> {
  const named = lab.checks.filter((file) => {
    return textWithTables(join(LABS_DIR, lab.folder, file)).includes(only);
  });
  const checks = named.length > 0 ? named : lab.checks;
  const { outcomes } = await runLabChecks({ ...lab, checks }, [tree], { only });
  return outcomes.find((outcome) => !outcome.passed)?.message ?? "";
}

/** The mutants that this run judges. */
function judged({ number, mutants }: Lab): readonly Mutant[] {
  if (JUDGES_ALL) return mutants;
  return drawn(`mutants ${number}`, mutants, 1);
}

/** The labs whose contract suite this run runs. */
function withContract(): readonly Lab[] {
  const all = labs.filter(({ contract }) => contract);
  return JUDGES_ALL ? all : drawn("contracts", all, CONTRACTS_DRAWN);
}

/** Titles of the tests of the course among a lab's checks. */
function courseTests(lab: Lab): string[] {
  const texts = lab.checks.map((file) => readFileSync(join(LABS_DIR, lab.folder, file), "utf8"));
  const titles = texts.flatMap((text) => [...text.matchAll(/"(3[A-D] [^"]+)"/g)]);
  return titles.map(([, title]) => title!);
}

const contracts = withContract();
const references = JUDGES_ALL ? labs : drawn("references", labs, REFERENCES_DRAWN);
const others = labs.filter((lab) => !references.includes(lab));
const mutated = JUDGES_ALL ? labs : drawn("mutated", others, MUTATED_DRAWN);
const rest = others.filter((lab) => !mutated.includes(lab));
const skeletons = JUDGES_ALL ? labs : drawn("skeletons", rest, SKELETONS_DRAWN);

for (const lab of new Set([...references, ...mutated, ...skeletons, ...contracts])) {
  describe(`lab ${lab.number}`, () => {
    if (skeletons.includes(lab)) {
      it(
        "on its skeleton all checks fail, because the bodies are not written yet",
        async () => {
          const tree = join(scratch, `${lab.number}-skeleton`);
          writeSkeletons(lab, tree);
          // No check comes far: files of one process load the product once.
          const { outcomes } = await runLabChecks({ ...lab, atOnce: lab.atOnce ?? 1 }, [tree]);
          const reason = new RegExp(notWritten(lab.number, "[\\w-]+"));
          for (const { title, passed, message } of outcomes) {
            expect(passed, `${title} passes on the skeleton`).toBe(false);
            expect(message, title).toMatch(reason);
          }
        },
        TIMEOUT_MS,
      );
    }

    if (references.includes(lab)) {
      it(
        "the reference passes",
        async () => {
          const tree = join(scratch, `${lab.number}-reference`);
          writeReference(lab, tree);
          const { outcomes } = await runLabChecks(lab, [tree]);
          const failed = outcomes.filter((outcome) => !outcome.passed);
          // A reporter may show the first line alone.
          const words = failed.map(
            (each) => `${each.title}: ${each.message.split("\n").join("; ")}`,
          );
          expect(failed, `lab ${lab.number}: ${words.join(" | ")}`).toEqual([]);
          const titles = outcomes.map(({ title }) => title);
          expect(titles).toEqual(expect.arrayContaining(courseTests(lab)));
          // Every failure leads to a hint.
          expect(titles.filter((title) => hintOfCheck(lab, title) === undefined)).toEqual([]);
        },
        TIMEOUT_MS,
      );
    }

    const { contract } = lab;
    if (contract && contracts.includes(lab)) {
      it(
        "the contract suite runs on a reader's part, and detects its bug",
        async () => {
          const tree = join(scratch, `${lab.number}-contract`);
          writeReference(lab, tree, lab.mutants[contract.detects - 1]!);
          const { passed, output } = await runContract(lab, [tree], { untilFailure: true });
          expect(passed, output).toBe(false);
          expect(output).toMatch(/Tests .*[1-9]\d* passed/);
        },
        TIMEOUT_MS,
      );
    }

    if (!mutated.includes(lab)) return;
    it(
      `catches wrong answers (seed ${DRAW_SEED})`,
      async () => {
        for (const [i, mutant] of judged(lab).entries()) {
          const tree = join(scratch, `${lab.number}-mutant-${i}`);
          writeReference(lab, tree, mutant);
          expect(await failureOf(lab, tree, mutant.caughtBy), `mutant "${mutant.name}"`).toMatch(
            /why it matters: /,
          );
          if (mutant.shownBy === undefined) continue;
          const shown = await failureOf(lab, tree, mutant.shownBy);
          expect(shown, `mutant "${mutant.name}"`).toMatch(DIAGRAM);
        }
      },
      TIMEOUT_MS,
    );
  });
}

it(
  `a skeleton type-checks as a reader's files do (seed ${DRAW_SEED})`,
  async () => {
    // The compiler sees all skeletons in one run in `runner/editor.test.ts`.
    const lab = labs[DRAW_SEED % labs.length]!;
    const tree = join(scratch, "types");
    writeSkeletons(lab, tree);
    expect(await typeCheck(lab, tree), lab.number).toBe("");
  },
  TIMEOUT_MS,
);

/** Mistakes that many make, by lab. */
const NAMED_MISTAKES = {
  voting: ["03", "votes for every candidate"],
  persistence: ["04", "does not write a vote in a term that is on disk"],
  "older terms": ["04", "commits entries of older terms by counting copies"],
  prevIndex: ["04", "names the entry before the previous one"],
  truncation: ["04", "keeps its own conflicting entries"],
} as const;

it(
  `the first screen of each named mistake has a diagram (seed ${DRAW_SEED})`,
  async () => {
    const named = Object.entries(NAMED_MISTAKES);
    const shown = drawn("named", named, JUDGES_ALL ? named.length : NAMED_DRAWN).map(
      async ([subject, [number, name]]) => {
        const lab = labs.find((item) => item.number === number)!;
        const tree = join(scratch, `named-${subject}`);
        writeReference(lab, tree, lab.mutants.find((mutant) => mutant.name === name)!);
        const { outcomes } = await runLabChecks(lab, [tree]);
        const scenario = outcomes.find((outcome) => !outcome.passed && outcome.scenario);
        expect(scenario?.message, name).toMatch(DIAGRAM);
      },
    );
    await Promise.all(shown);
  },
  TIMEOUT_MS,
);

it("all 28 tests of the course exist", () => {
  const titles = new Set(labs.flatMap(courseTests));
  const counts = ["3A", "3B", "3C", "3D"].map((part) => {
    return [...titles].filter((title) => title.startsWith(`${part} `)).length;
  });
  expect(counts).toEqual([3, 10, 8, 7]);
});
