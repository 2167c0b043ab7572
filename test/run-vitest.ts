import { existsSync, mkdtempSync, readFileSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { unmountBelow } from "../cli/apply/remove.ts";
import type { GroupResult } from "./groups.ts";
import type { OwnReport } from "./own-reporter.ts";
import { type Measured, runMeasured } from "./run-measured.ts";

const ROOT = join(import.meta.dirname, "..");
/**
 * V8's code of the modules that tests, and the hundreds of processes that they start, load: from
 * here the store is loaded in a third of the processor time. Node checks each entry's source.
 */
const COMPILED = join(ROOT, ".cache/compiled");

/** Forgets modules of former runs, some of which had names of their own: a reader's parts. */
export function forgetCompiled(): void {
  rmSync(COMPILED, { recursive: true, force: true });
}

/** A file system in memory, and how much must be free in it to be used. */
export const MEMORY = "/dev/shm";
export const MEMORY_FREE_BYTES_MIN = 2 ** 32;
const REMOVALS_MAX = 10;

/** How much of a long failure's beginning, and of its end, the closing report prints. */
const SHOWN_CHARS = 400;

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message?: string;
    readonly startTime: number;
    readonly endTime: number;
    readonly assertionResults: readonly {
      readonly ancestorTitles: readonly string[];
      readonly title: string;
      readonly status: string;
      readonly failureMessages: readonly string[] | null;
    }[];
  }[];
}

export interface RunOptions {
  /** How many files run at a time; as vitest.config.ts says by default. */
  readonly workers?: number;
  /** Files that fail run again, alone; of those whose tests stand alone only the failed tests. */
  readonly secondTry?: boolean;
  /** Only the tests with this in their titles. */
  readonly title?: string;
  /** Whether the runner's own output is left out. */
  readonly quiet?: boolean;
  /**
   * Temporary files are in memory, if it has room. An ext4 without a journal examines each inode
   * that was freed in the last minutes before it takes another: a tenth of the processor time of
   * unit tests.
   */
  readonly inMemory?: boolean;
}

/** Runs the test files below some folders, as `runPatterns`. */
export async function runVitest(
  folders: readonly string[],
  options: RunOptions = {},
): Promise<GroupResult> {
  return await runPatterns(
    folders.map((folder) => `${folder}/**/*.test.ts`),
    options,
  );
}

/**
 * Runs the test files of some patterns. A file that cannot be loaded, an unhandled error and a run
 * that is killed count as failures; what tests skipped, and which files passed only when run again
 * in a process of their own, is returned by name, so that nothing is hidden.
 */
export async function runPatterns(
  patterns: readonly string[],
  options: RunOptions = {},
): Promise<GroupResult> {
  const first = await runOnce(patterns, options);
  const failed = first.files.filter((file) => file.failures.length > 0);
  const again = options.secondTry === true && failed.length > 0;
  if (!again) return count(first.files, [], first);
  const second = await runAgain(failed, options);
  const files = first.files.map((file) => {
    const found = second.files.find(({ name }) => name === file.name);
    if (!found || !standsAlone(file)) return found ?? file;
    return { ...file, passed: file.passed + found.passed, failures: found.failures };
  });
  return count(
    files,
    failed.map(({ name, failures }) => `${name}: ${failures.length} failed: ${failures[0]}`),
    // A file that passes when it runs again has not taken back what no test caught.
    { errors: [...first.errors, ...second.errors], cpu_s: first.cpu_s + second.cpu_s },
  );
}

/** Runs failed files again. */
async function runAgain(failed: readonly FileResult[], options: RunOptions): Promise<Run> {
  const alone = failed.filter(standsAlone);
  const whole = failed.filter((file) => !alone.includes(file));
  const names = (files: readonly FileResult[]) => files.map(({ name }) => name);
  const runs: Run[] = [];
  if (whole.length > 0) runs.push(await runOnce(names(whole), options));
  if (alone.length > 0) {
    const titles = alone.flatMap((file) => file.failedTitles);
    runs.push(await runOnce(names(alone), { ...options, titles }));
  }
  return {
    files: runs.flatMap(({ files }) => files),
    errors: runs.flatMap(({ errors }) => errors),
    cpu_s: runs.reduce((sum, { cpu_s }) => sum + cpu_s, 0),
  };
}

/** Whether the tests of a file with failed ones need nothing of each other, as it says. */
function standsAlone({ name, failedTitles }: FileResult): boolean {
  const says = /^\/\/ Each test stands alone: /m;
  return failedTitles.length > 0 && says.test(readFileSync(join(ROOT, name), "utf8"));
}

interface FileResult {
  /** The path, from the repository's root. */
  readonly name: string;
  readonly passed: number;
  readonly took_s: number;
  /** Processor time meanwhile, as `OwnReport` counts it. */
  readonly cpu_s: number;
  /** Each failed test and why, in one line. */
  readonly failures: readonly string[];
  /** The failed tests, each by all its titles. */
  readonly failedTitles: readonly string[];
  readonly leftOut: readonly string[];
}

interface Run {
  readonly files: readonly FileResult[];
  /** Failures outside of any test. */
  readonly errors: readonly string[];
  readonly cpu_s: number;
}

/** Runs the test files of some patterns; of `titles` only the tests that have one of these. */
async function runOnce(
  patterns: readonly string[],
  options: RunOptions & { readonly titles?: readonly string[] },
): Promise<Run> {
  const dir = mkdtempSync(join(options.inMemory ? inMemory() : tmpdir(), "r2k-"));
  const report = join(dir, "report.json");
  const own = join(dir, "own.json");
  const wanted = wantedBy(options);
  try {
    const { code, cpu_s } = await vitest(
      patterns,
      [
        "run",
        "--reporter=dot",
        "--reporter=json",
        `--reporter=${join(ROOT, "test/own-reporter.ts")}`,
        `--outputFile.json=${report}`,
        ...(options.workers === undefined ? [] : [`--maxWorkers=${options.workers}`]),
        ...(wanted === undefined ? [] : ["-t", wanted.source]),
      ],
      {
        own,
        output: options.quiet ? "ignore" : "inherit",
        temporary: options.inMemory ? dir : tmpdir(),
      },
    );
    if (!existsSync(report) || !existsSync(own)) {
      const error = `vitest ended with ${code} and without a report: ${patterns.join(" ")}`;
      return { files: [], errors: [inOneLine(error)], cpu_s };
    }
    const { unhandled, cpu_s: byFile } = JSON.parse(readFileSync(own, "utf8")) as OwnReport;
    const files = read(report, byFile, wanted);
    const errors = unhandled.map((message) => `no test caught: ${inOneLine(message)}`);
    const explained = errors.length > 0 || files.some(({ failures }) => failures.length > 0);
    if (code !== 0 && !explained) errors.push(`vitest ended with ${code}`);
    return { files, errors, cpu_s };
  } finally {
    // A test that failed may leave a mount, and a process that it killed may write for a moment.
    unmountBelow([dir]);
    rmSync(dir, { recursive: true, maxRetries: REMOVALS_MAX });
  }
}

/** The folder of temporary files in memory; the usual one where there is too little of it. */
function inMemory(): string {
  if (!existsSync(MEMORY)) return tmpdir();
  const { bavail, bsize } = statfsSync(MEMORY);
  return bavail * bsize >= MEMORY_FREE_BYTES_MIN ? MEMORY : tmpdir();
}

interface Surroundings {
  /** The file of the OwnReport. */
  readonly own: string;
  readonly output: "ignore" | "inherit";
  readonly temporary: string;
}

function vitest(
  patterns: readonly string[],
  args: readonly string[],
  { own, output, temporary }: Surroundings,
): Promise<Measured> {
  const node = join(ROOT, "node_modules/node/bin/node");
  const entry = join(ROOT, "node_modules/vitest/vitest.mjs");
  const env = {
    R2K_LOG: "warn",
    NODE_COMPILE_CACHE: COMPILED,
    ...process.env,
    R2K_REPORT: own,
    TMPDIR: temporary,
    // A filter among the arguments means a part of a path: "cni/" is in "test/contract/cni/".
    R2K_TEST_FILES: patterns.join(","),
    PATH: `${join(ROOT, "node_modules/.bin")}:${process.env["PATH"]}`,
  };
  return runMeasured(node, [entry, ...args], { cwd: ROOT, env, output });
}

/** The pattern that vitest compares with a test's titles, joined by blanks. */
function wantedBy({ title, titles }: { title?: string; titles?: readonly string[] }) {
  if (titles) return new RegExp(`^\\s*(${titles.map(escapeRegExp).join("|")})$`);
  return title === undefined ? undefined : new RegExp(escapeRegExp(title));
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
}

function read(path: string, cpu_s: OwnReport["cpu_s"], wanted = /^/): FileResult[] {
  const report = JSON.parse(readFileSync(path, "utf8")) as Report;
  return report.testResults.map((file) => {
    const tests = file.assertionResults.filter((test) => wanted.test(titleOf(test)));
    const failed = tests.filter(({ status }) => status === "failed");
    const failures = failed.map(({ title, failureMessages }) => {
      return `${title}: ${inOneLine(failureMessages?.[0])}`;
    });
    // A file that cannot be loaded, or whose hook failed, has no test that did.
    const whole = file.status === "failed" && failures.length === 0;
    return {
      name: relative(ROOT, file.name),
      passed: tests.filter(({ status }) => status === "passed").length,
      took_s: (file.endTime - file.startTime) / 1000,
      cpu_s: cpu_s[file.name] ?? 0,
      failures: whole ? [inOneLine(file.message)] : failures,
      failedTitles: failed.map(titleOf),
      leftOut: tests
        .filter(({ status }) => !["passed", "failed"].includes(status))
        .map(({ ancestorTitles, title }) => ancestorTitles.find((each) => each !== "") ?? title),
    };
  });
}

/** All titles of a test, as vitest's `-t` sees them. */
function titleOf({ ancestorTitles, title }: Report["testResults"][0]["assertionResults"][0]) {
  return [...ancestorTitles, title].filter(Boolean).join(" ");
}

/** A failure without its stack: its beginning and its end, which have the check and its result. */
function inOneLine(text = "no reason given"): string {
  const [message = ""] = text.split(/\n\s+at /);
  const line = stripVTControlCharacters(message)
    .trim()
    .split(/\s*\n\s*/)
    .join("; ");
  if (line.length <= 2 * SHOWN_CHARS) return line;
  return `${line.slice(0, SHOWN_CHARS)} ... ${line.slice(-SHOWN_CHARS)}`;
}

function count(
  files: readonly FileResult[],
  secondTries: readonly string[],
  { errors, cpu_s }: Pick<Run, "errors" | "cpu_s">,
): GroupResult {
  const failures = files.flatMap(({ name, failures }) =>
    failures.map((failure) => `${name}: ${failure}`),
  );
  failures.push(...errors);
  return {
    passed: files.reduce((sum, { passed }) => sum + passed, 0),
    failures,
    leftOut: [...new Set(files.flatMap(({ leftOut }) => leftOut))],
    secondTries,
    times: files.map(({ name, took_s, cpu_s }) => ({ name, took_s, cpu_s })),
    cpu_s,
  };
}
