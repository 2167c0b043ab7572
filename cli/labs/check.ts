import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT_DIR } from "../cluster/assets.ts";
import { type Lab, LABS_DIR } from "./manifest.ts";

export interface CheckOutcome {
  readonly title: string;
  readonly passed: boolean;
  /** What happened, what was expected, why it matters; empty when passed. */
  readonly message: string;
}

interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly assertionResults: readonly {
      readonly title: string;
      readonly status: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

/** Runs a lab's checks with `trees` laid over the product. Empty trees judge the reference. */
export async function runLabChecks(lab: Lab, trees: readonly string[]): Promise<CheckOutcome[]> {
  const dir = mkdtempSync(join(tmpdir(), "r2k-lab-"));
  const report = join(dir, "report.json");
  try {
    const files = lab.checks.map((check) => join("labs", lab.folder, check));
    const said = await vitest(files, report, trees);
    return outcomes(report, said);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

function vitest(
  files: readonly string[],
  report: string,
  trees: readonly string[],
): Promise<string> {
  const args = [
    join(ROOT_DIR, "node_modules/vitest/vitest.mjs"),
    "run",
    ...files,
    `--config=${join(LABS_DIR, "vitest.config.ts")}`,
    "--reporter=json",
    `--outputFile=${report}`,
  ];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      cwd: ROOT_DIR,
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, R2K_LAB_TREES: trees.join(":") },
    });
    let said = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => (said += text));
    }
    child.once("error", reject);
    child.once("close", () => resolve(said));
  });
}

function outcomes(report: string, said: string): CheckOutcome[] {
  const { testResults } = JSON.parse(readFileSync(report, "utf8")) as Report;
  const results = testResults.flatMap((file) => {
    if (file.assertionResults.length === 0) {
      return [{ title: `${file.name} can be loaded`, passed: false, message: file.message }];
    }
    return file.assertionResults.map((item) => ({
      title: item.title,
      passed: item.status === "passed",
      message: item.failureMessages.map(firstParagraph).join("\n"),
    }));
  });
  if (results.length > 0) return results;
  return [{ title: "the checks can be run", passed: false, message: said }];
}

/** The message without the stack beneath it. */
function firstParagraph(message: string): string {
  return message
    .split("\n    at ")[0]!
    .replace(/^(AssertionError|Error): /, "")
    .trimEnd();
}

/** Type-checks the files of a tree against the product; returns the compiler's complaints. */
export function typeCheck(lab: Lab, tree: string): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), "r2k-lab-"));
  const config = join(dir, "tsconfig.json");
  writeFileSync(
    config,
    JSON.stringify({
      extends: join(ROOT_DIR, "tsconfig.json"),
      // A skeleton's parameters and imports are for the code that is to be written.
      compilerOptions: {
        rootDirs: [ROOT_DIR, tree],
        noUnusedLocals: false,
        noUnusedParameters: false,
        typeRoots: [join(ROOT_DIR, "node_modules/@types")],
      },
      include: [],
      files: lab.files.map((file) => join(tree, file)),
    }),
  );
  const tsc = join(ROOT_DIR, "node_modules/.bin/tsc");
  return new Promise((resolve, reject) => {
    const child = spawn(tsc, ["--project", config], { stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (said += text));
    child.once("error", reject);
    child.once("close", () => {
      rmSync(dir, { recursive: true });
      resolve(said);
    });
  });
}
