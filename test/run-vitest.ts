import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import type { GroupResult } from "./groups.ts";

const ROOT = join(import.meta.dirname, "..");

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly message?: string;
    readonly assertionResults: readonly {
      readonly ancestorTitles: readonly string[];
      readonly title: string;
      readonly status: string;
      readonly failureMessages: readonly string[] | null;
    }[];
  }[];
}

/**
 * Runs the test files below some folders. A file that cannot be loaded and an unhandled error count
 * as failures; what tests skipped, and which files passed only when run again in a process of their
 * own, is returned by name, so that nothing is hidden.
 */
export async function runVitest(
  folders: readonly string[],
  options: { sequential?: boolean; secondTry?: boolean } = {},
): Promise<GroupResult> {
  const first = await runOnce(
    folders.map((folder) => `${folder}/**/*.test.ts`),
    options,
  );
  const failed = first.files.filter((file) => file.failures.length > 0);
  const again = options.secondTry === true && failed.length > 0 && !first.error;
  if (!again) return count(first.files, [], first.error);
  const second = await runOnce(
    failed.map(({ name }) => name),
    options,
  );
  const files = first.files.map(
    (file) => second.files.find(({ name }) => name === file.name) ?? file,
  );
  return count(
    files,
    failed.map(({ name, failures }) => `${name}: ${failures.length} failed: ${failures[0]}`),
    second.error,
  );
}

interface FileResult {
  /** The path, from the repository's root. */
  readonly name: string;
  readonly passed: number;
  /** Each failed test and the first line of why. */
  readonly failures: readonly string[];
  readonly leftOut: readonly string[];
}

interface Run {
  readonly files: readonly FileResult[];
  /** What failed though no test did. */
  readonly error?: string;
}

/** Runs the test files of some patterns. */
async function runOnce(
  patterns: readonly string[],
  options: { sequential?: boolean },
): Promise<Run> {
  const dir = mkdtempSync(join(tmpdir(), "r2k-test-"));
  const report = join(dir, "report.json");
  try {
    const code = await vitest(patterns, [
      "run",
      "--reporter=dot",
      "--reporter=json",
      `--outputFile.json=${report}`,
      ...(options.sequential ? ["--no-file-parallelism"] : []),
    ]);
    const files = read(report);
    const told = files.some(({ failures }) => failures.length > 0);
    return { files, ...(code !== 0 && !told ? { error: `vitest ended with ${code}` } : {}) };
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function vitest(patterns: readonly string[], args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const node = join(ROOT, "node_modules/node/bin/node");
    const entry = join(ROOT, "node_modules/vitest/vitest.mjs");
    const child = spawn(node, [entry, ...args], {
      cwd: ROOT,
      stdio: ["ignore", 1, 2],
      env: {
        R2K_LOG: "warn",
        ...process.env,
        // A filter among the arguments means a part of a path: "cni/" is in "test/contract/cni/".
        R2K_TEST_FILES: patterns.join(","),
        PATH: `${join(ROOT, "node_modules/.bin")}:${process.env["PATH"]}`,
      },
    });
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

function read(path: string): FileResult[] {
  const report = JSON.parse(readFileSync(path, "utf8")) as Report;
  return report.testResults.map((file) => {
    const tests = file.assertionResults;
    const failures = tests
      .filter(({ status }) => status === "failed")
      .map(({ title, failureMessages }) => `${title}: ${firstLine(failureMessages?.[0])}`);
    // A file that cannot be loaded, or whose hook failed, has no test that did.
    const whole = file.status === "failed" && failures.length === 0;
    return {
      name: relative(ROOT, file.name),
      passed: tests.filter(({ status }) => status === "passed").length,
      failures: whole ? [firstLine(file.message)] : failures,
      leftOut: tests
        .filter(({ status }) => !["passed", "failed"].includes(status))
        .map(({ ancestorTitles, title }) => ancestorTitles.find((each) => each !== "") ?? title),
    };
  });
}

function firstLine(text = "no reason is told"): string {
  return text.split("\n")[0]!;
}

function count(
  files: readonly FileResult[], secondTries: readonly string[], error: string | undefined,
): GroupResult {
  const failures = files.flatMap(({ name, failures }) =>
    failures.map((failure) => `${name}: ${failure}`));
  if (error !== undefined) failures.push(error);
  return {
    passed: files.reduce((sum, { passed }) => sum + passed, 0),
    failures,
    leftOut: [...new Set(files.flatMap(({ leftOut }) => leftOut))],
    secondTries,
  };
}
