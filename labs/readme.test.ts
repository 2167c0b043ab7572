// Each test stands alone: a command of a page needs nothing of those before it.
import { execFile } from "node:child_process";
import { globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";
import { DRAW_SEED, drawn } from "../testing/drawn.ts";
import { bodiesOfLab } from "./runner/bodies.ts";
import { runLabChecks } from "./runner/check.ts";
import { bodiesOf, signatureOf } from "./runner/cut.ts";
import { type Lab, readLabs } from "./runner/manifest.ts";
import { LABS_DIR, ROOT_DIR } from "./runner/paths.ts";
import { cacheFolder, writeReference } from "./runner/workspace.ts";
import { compared, squeezed, type Walk, walksOf } from "./walk.ts";

/** Pages of which a run plays commands, and how many of each. */
const PAGES_DRAWN = 2;
const COMMANDS_DRAWN = 1;
/**
 * Whether every command and every experiment is played, and random checks run as often as a page's
 * commands have it, which labs.test.ts does.
 */
const RUNS_ALL = process.env["R2K_LAB_RUNS"] === "all";
const run = promisify(execFile);
const scratch = mkdtempSync(join(cacheFolder(), "labs-readme-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** The tour of lab 00 needs a cluster: `test/e2e/demo.test.ts` runs it. */
const labs = readLabs().filter((lab) => lab.files.length > 0);
const readme = (folder: string, name = "README.md") => {
  return readFileSync(join(LABS_DIR, folder, name), "utf8");
};

/** Returns a command of a page that runs each random check of the reference once. */
function bounded(command: string): string {
  if (RUNS_ALL || !/lab check \S+ --reference/.test(command)) return command;
  return `${command.replace(/ --runs \d+/, "")} --runs 1`;
}

/** The program that `./r2k` starts, without the launcher, which takes as long as some commands. */
const PROGRAM = `${process.execPath} --disable-warning=ExperimentalWarning cli/main.ts `;

/** Returns a command's output, also if it fails: some commands show a failing check. */
async function output(command: string): Promise<string> {
  const env = {
    NODE_COMPILE_CACHE: join(scratch, "compile"),
    ...process.env,
    R2K_LABS: join(scratch, "my"),
    R2K_ROOT: ROOT_DIR,
  };
  const words = command.replace(/^\.\/r2k (?=lab )/, () => PROGRAM);
  const ended = run("sh", ["-c", words], { cwd: ROOT_DIR, env });
  return (await ended.catch((failure: { stdout?: string }) => failure)).stdout ?? "";
}

/** The Deployments that a cluster has from its start. */
const DEMO = namesIn(
  readFileSync(join(ROOT_DIR, "examples/web.yaml"), "utf8"),
  /kind: Deployment\nmetadata:\n {2}name: (\S+)/g,
);

function namesIn(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, name]) => name!);
}

/** The rows of the exercise's table: files and bodies, as the page names them. */
function rowsOf({ folder }: Lab): { files: string[]; bodies: string[] }[] {
  const table = /^## The exercise\n(.*?)^## /ms.exec(readme(folder))?.[1] ?? "";
  const names = (cell: string) => [...cell.matchAll(/`#?([^`]+)`/g)].map(([, name]) => name!);
  return [...table.matchAll(/^\| (?:\d+ \| )?(`[^|]+\.ts`) \|([^|]+)\|/gm)].map(
    ([, files = "", bodies = ""]) => ({ files: names(files), bodies: names(bodies) }),
  );
}

/** The minutes that a page names for the whole lab: "About two and a half hours". */
function minutesIn({ folder }: Lab): number | undefined {
  const time =
    /(?:\babout|\.)\s(an hour|(?:two|three)(?=\s(?:and a half\s)?hours))(?:\sand a (half|quarter))?/i;
  const [, hours, more] = time.exec(readme(folder)) ?? [];
  if (hours === undefined) return undefined;
  const whole = { "an hour": 60, two: 120, three: 180 }[hours.toLowerCase()]!;
  return whole + ({ half: 30, quarter: 15 }[more ?? ""] ?? 0);
}

it("pages name the time of lab.yaml", () => {
  const named = labs.flatMap((lab) => {
    const minutes = minutesIn(lab);
    return minutes === undefined ? [] : [{ number: lab.number, minutes, given: lab.minutes }];
  });
  expect(named.length).toBeGreaterThan(14);
  expect(named.filter(({ minutes, given }) => Math.abs(minutes - given) > 15)).toEqual([]);
});

it("pages name the labs that lab.yaml builds on", () => {
  const missing = labs.flatMap(({ folder, after }) => {
    const [, named = ""] = /^(?:.*\b)?before this lab:(.*?)^$/ims.exec(readme(folder)) ?? [];
    return after
      .filter((number) => !named.includes(`](../${number}-`))
      .map((number) => [folder, number]);
  });
  expect(missing).toEqual([]);
});

const pages = drawn("pages", labs, PAGES_DRAWN);

/** The commands of a lab's page that this run plays. */
function played(lab: Lab): Walk[] {
  const walks = walksOf(readme(lab.folder));
  if (RUNS_ALL) return walks;
  return pages.includes(lab) ? drawn(`walks ${lab.number}`, walks, COMMANDS_DRAWN) : [];
}

for (const lab of labs) {
  describe(`the README of lab ${lab.number}`, () => {
    it.each(played(lab))("$command", async ({ command, expected }) => {
      expect(compared(await output(bounded(command)), expected)).toEqual(expected.map(squeezed));
    });

    it("has a picture, the concept, a tour, the exercise, what to break, questions", () => {
      const text = readme(lab.folder);
      const parts = [
        "concept",
        "A tour of the code",
        "Try it",
        "exercise",
        "break next",
        "Questions",
      ];
      const missing = parts.filter((part) => !new RegExp(`^## .*${part}`, "m").test(text));
      expect(missing).toEqual([]);
      expect(text).toMatch(/<details><summary>.+\?<\/summary>/);
    });

    it("creates no Deployment that the demo has", () => {
      expect(DEMO).not.toEqual([]);
      const created = namesIn(readme(lab.folder), /kubectl create deployment (\S+)/g);
      expect(created.filter((name) => DEMO.includes(name))).toEqual([]);
    });

    it("has the files of the exercise in its table, in the order of `lab diff`", () => {
      const named = new Set(rowsOf(lab).flatMap((row) => row.files));
      const files = [...named].map((name) => {
        return lab.files.find((file) => file === name || file.endsWith(`/${name}`));
      });
      expect(files).toEqual(lab.files);
    });

    it("lists the bodies in the order of the hints", () => {
      const bodies = rowsOf(lab).flatMap((row) => row.bodies);
      const isOne = (word: string) => bodies.indexOf(word) === bodies.lastIndexOf(word);
      const places = lab.hints.map(({ for: topic }) => {
        const words = topic.match(/\w+/g)!.filter((word) => bodies.includes(word) && isOne(word));
        return Math.min(...words.map((word) => bodies.indexOf(word)));
      });
      expect(places).not.toContain(Infinity);
      expect(places).toEqual(places.toSorted((one, other) => one - other));
    });

    it("has a comment above each body's signature", () => {
      const without = bodiesOfLab(lab).filter(({ name, file }) => {
        return !signatureOf(readFileSync(join(ROOT_DIR, file), "utf8"), name)?.startsWith("/**");
      });
      expect(without).toEqual([]);
    });

    it("tours point at context, not at what is to be written", () => {
      const tour = /^## A tour of the code\n(.*?)^## /ms.exec(readme(lab.folder))?.[1] ?? "";
      const asked = lab.files.flatMap((file) => {
        return bodiesOf(readFileSync(join(ROOT_DIR, file), "utf8"), lab.number, file);
      });
      const named = [...tour.matchAll(/`(?:[\w./-]+\.ts#)?#?(\w+)`/g)].map((match) => match[1]!);
      expect(asked.length).toBeGreaterThanOrEqual(lab.files.length);
      expect(named.filter((name) => asked.includes(name))).toEqual([]);
    });

    it("has translations that show the same commands, code and symbols", () => {
      const shown = (text: string) => [
        ...text.matchAll(/^```(?:console|sh)\n.*?^```$/gms),
        ...text.matchAll(/`[\w./-]+\.ts#\w+`/g),
      ];
      const own = shown(readme(lab.folder)).map(String);
      for (const name of globSync("README.*.md", { cwd: join(LABS_DIR, lab.folder) })) {
        expect(shown(readme(lab.folder, name)).map(String), name).toEqual(own);
      }
    });
  });
}

interface Experiment {
  readonly lab: Lab;
  readonly planted: number;
  /** One check fails, and no other. */
  readonly only: boolean;
  /** Parts of titles of checks that fail. */
  readonly names: readonly string[];
}

/** The experiments of a page that say which checks fail when all run. */
function experimentsOf(lab: Lab): Experiment[] {
  const items = readme(lab.folder).matchAll(/^- `--planted (\d+)`:(.*?)(?=^- |^$)/gms);
  return [...items].flatMap(([, planted, text = ""]) => {
    const only = /Expected: only(?: (`[^`]+`))?/.exec(text);
    const also = /with\s`--all`\salso\s+((?:`[^`]+`(?:,? and|,)?\s*)+)/i.exec(text);
    if (!only && !also) return [];
    const quoted = `${only?.[1] ?? ""} ${also?.[1] ?? ""}`.matchAll(/`([^`]+)`/g);
    const names = [...quoted].map(([, name]) => name!.replace(/\s+/g, " "));
    return [{ lab, planted: Number(planted), only: only !== null, names }];
  });
}

describe(`what to break next (seed ${DRAW_SEED})`, () => {
  const isRoot = process.getuid?.() === 0;
  const possible = labs.filter((lab) => isRoot || !lab.namespaces).flatMap(experimentsOf);
  it.each(RUNS_ALL ? possible : drawn("planted", possible, 1))(
    "lab $lab.number, planted $planted",
    async (experiment) => {
      const { lab, planted, only, names } = experiment;
      const tree = join(scratch, `planted-${lab.number}-${planted}`);
      writeReference(lab, tree, lab.mutants[planted - 1]!);
      const { outcomes } = await runLabChecks(lab, [tree], { all: true });
      const failed = outcomes.filter(({ passed }) => !passed).map(({ title }) => title);
      if (only) expect(failed).toHaveLength(1);
      expect(failed).not.toEqual([]);
      const absent = names.filter((name) => !failed.some((title) => title.includes(name)));
      expect(absent, failed.join("\n")).toEqual([]);
    },
  );
});
