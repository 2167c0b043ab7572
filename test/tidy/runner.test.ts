import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { suiteFolder } from "../../testing/folders.ts";
import { runMeasured } from "../run-measured.ts";
import { MEMORY, MEMORY_FREE_BYTES_MIN, runPatterns } from "../run-vitest.ts";

const CASES = "test/tidy/cases";
const dir = suiteFolder("r2k-runner-");

beforeAll(() => {
  process.env["R2K_CASE_MARKER"] = join(dir, "marker");
});
afterAll(() => {
  delete process.env["R2K_CASE_MARKER"];
});

it("what would end a process fails the run, though every test passes at last", async () => {
  const patterns = [`${CASES}/unhandled.case.ts`, `${CASES}/failing.case.ts`];
  const { failures, passed, secondTries } = await runPatterns(patterns, {
    secondTry: true,
    quiet: true,
  });
  expect(passed).toBe(3);
  expect(secondTries).toHaveLength(1);
  expect(failures.toSorted()).toEqual([
    "no test caught: a rejection of a case",
    "no test caught: an error of a case",
  ]);
});

it("a run that is killed is one failure, with its files", async () => {
  const killed = `${CASES}/killed.case.ts`;
  const { failures, passed } = await runPatterns([killed], { quiet: true });
  expect(passed).toBe(0);
  expect(failures).toEqual([`vitest ended with 137 and without a report: ${killed}`]);
});

it("of a file whose tests stand alone only the failed ones run again", async () => {
  const { failures, passed, secondTries } = await runPatterns([`${CASES}/alone.case.ts`], {
    secondTry: true,
    quiet: true,
  });
  expect([failures, passed]).toEqual([[], 2]);
  expect(secondTries).toHaveLength(1);
  expect(readFileSync(join(dir, "marker-passed"), "utf8")).toBe("once ");
});

it("a failure is one line, with the values, and the end of a long output", async () => {
  const { failures } = await runPatterns([`${CASES}/words.case.ts`], { quiet: true });
  const [values, output] = failures.map((failure) => failure.slice(failure.indexOf("case.ts")));
  const found = "{ name: 'a', passed: false, words: 'of its own', at: 1, more: true }";
  expect(values).toContain(`AssertionError: expected [ ${found} ] to deeply equal []`);
  expect(output).toMatch(/output of line 0; output of line 1; .*: expected 1 to be/);
  expect(failures.join("")).not.toContain("\n");
});

it("files share a process, but for one that says it needs its own; modules are kept", async () => {
  const pids = join(dir, "pids");
  const compiled = join(dir, "compiled");
  const former = process.env["NODE_COMPILE_CACHE"];
  process.env["R2K_CASE_PIDS"] = pids;
  process.env["NODE_COMPILE_CACHE"] = compiled;
  const { failures, passed } = await runPatterns(
    ["first", "second", "own"].map((name) => `${CASES}/process/${name}.case.ts`),
    { workers: 1, quiet: true },
  );
  delete process.env["R2K_CASE_PIDS"];
  if (former === undefined) delete process.env["NODE_COMPILE_CACHE"];
  else process.env["NODE_COMPILE_CACHE"] = former;
  expect([failures, passed]).toEqual([[], 3]);
  // A string of the module that the three files load.
  expect(execFileSync("grep", ["-rl", "R2K_CASE_PIDS", compiled], { encoding: "utf8" })).not.toBe(
    "",
  );
  const lines = readFileSync(pids, "utf8").trim().split("\n");
  const pidOf = new Map(lines.map((line) => line.split(" ") as [string, string]));
  expect(pidOf.get("first")).toMatch(/^\d+$/);
  expect(pidOf.get("second")).toBe(pidOf.get("first"));
  expect(pidOf.get("own")).not.toBe(pidOf.get("first"));
});

it("files of a run in memory are there, and gone with it", async () => {
  process.env["R2K_CASE_FOLDERS"] = join(dir, "folders");
  const { failures } = await runPatterns([`${CASES}/temporary.case.ts`], {
    inMemory: true,
    quiet: true,
  });
  delete process.env["R2K_CASE_FOLDERS"];
  expect(failures).toEqual([]);
  const folder = readFileSync(join(dir, "folders"), "utf8");
  const { bavail, bsize } = statfsSync(MEMORY);
  const isRoomy = bavail * bsize >= MEMORY_FREE_BYTES_MIN;
  expect(folder.startsWith(isRoomy ? `${MEMORY}/r2k-` : tmpdir()), folder).toBe(true);
  expect(existsSync(folder)).toBe(false);
});

it("a program's processor time has its children's, and its exit code is kept", async () => {
  const compute = "while (process.cpuUsage().user < 200_000);";
  const script = `"${process.execPath}" -e "${compute}"; exit 7`;
  const { code, cpu_s } = await runMeasured("sh", ["-c", script], { cwd: dir });
  expect(code).toBe(7);
  expect(cpu_s).toBeGreaterThanOrEqual(0.19);
});
