import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { GroupResult } from "./groups.ts";

const ROOT = join(import.meta.dirname, "..");

interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly status: string;
    readonly assertionResults: readonly {
      readonly ancestorTitles: readonly string[];
      readonly title: string;
      readonly status: string;
      /** Of an earlier try too, when a later one passed. */
      readonly failureMessages: readonly string[] | null;
    }[];
  }[];
}

/**
 * Runs the test files below some folders. A file that cannot be loaded and an unhandled error count
 * as failures; what tests skipped, and what passed only when tried again, is returned by name, so
 * that nothing is hidden.
 */
export async function runVitest(
  folders: readonly string[],
  options: { sequential?: boolean; secondTry?: boolean } = {},
): Promise<GroupResult> {
  const dir = mkdtempSync(join(tmpdir(), "r2k-test-"));
  const report = join(dir, "report.json");
  try {
    const code = await vitest(folders, [
      "run",
      "--reporter=dot",
      "--reporter=json",
      `--outputFile.json=${report}`,
      ...(options.sequential ? ["--no-file-parallelism"] : []),
      ...(options.secondTry ? ["--retry=1"] : []),
    ]);
    const result = read(report);
    return code !== 0 && result.failed === 0 ? { ...result, failed: 1 } : result;
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function vitest(folders: readonly string[], args: readonly string[]): Promise<number> {
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
        R2K_TEST_FOLDERS: folders.join(","),
        PATH: `${join(ROOT, "node_modules/.bin")}:${process.env["PATH"]}`,
      },
    });
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

function read(path: string): GroupResult {
  const report = JSON.parse(readFileSync(path, "utf8")) as Report;
  const unloadable = report.testResults.filter((file) => {
    return file.status === "failed" && file.assertionResults.length === 0;
  });
  const tests = report.testResults.flatMap((file) => file.assertionResults);
  const skipped = tests
    .filter((test) => !["passed", "failed"].includes(test.status))
    .map((test) => test.ancestorTitles.find((title) => title !== "") ?? test.title);
  const secondTries = tests.flatMap(({ status, title, failureMessages }) => {
    const [first] = failureMessages ?? [];
    return status !== "passed" || first === undefined ? [] : [`${title}: ${first.split("\n")[0]}`];
  });
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + unloadable.length,
    leftOut: [...new Set(skipped)],
    secondTries,
  };
}
