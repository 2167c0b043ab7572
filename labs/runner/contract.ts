import { spawn } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LabError } from "./lab-error.ts";
import type { Lab } from "./manifest.ts";
import { LABS_DIR, ROOT_DIR } from "./paths.ts";
import { withScratch } from "./scratch.ts";
import { compiledFolder } from "./workspace.ts";

/** The suite's result and its output. */
export type ContractResult = { readonly passed: boolean; readonly output: string };

const OUTPUT_CHARS_MAX = 20_000;
/** The summary's line when a test was run and passed. */
const SOME_PASSED = /Tests .*[1-9]\d* passed/;
const NONE_RAN = "\nno test passed: does the suite need root (sudo), or a program that is missing?";

/** Returns the lab's contract suite; throws if it has none. */
export function requireContract({ number, contract }: Lab): NonNullable<Lab["contract"]> {
  if (contract) return contract;
  throw new LabError("NO_CONTRACT", `lab ${number} has no contract suite`, {
    remedy: "leave --contract out",
  });
}

/**
 * Runs the contract suite of a lab's part, the one that the product and its peers pass, with trees
 * over the product. A suite of which no test can run here is not passed. With `untilFailure` it
 * ends at the first test that fails. Throws if the lab has none.
 */
export function runContract(
  lab: Lab,
  trees: readonly string[],
  { untilFailure = false } = {},
): Promise<ContractResult> {
  const contract = requireContract(lab);
  const args = [
    join(ROOT_DIR, "node_modules/vitest/vitest.mjs"),
    "run",
    ...contract.files,
    `--testNamePattern=^${contract.only}`,
    `--config=${join(LABS_DIR, "runner/contract.config.ts")}`,
    ...(untilFailure ? ["--bail=1"] : []),
  ];
  const run = (folder: string) =>
    resultOf(args, {
      NODE_COMPILE_CACHE: compiledFolder(),
      ...process.env,
      R2K_LAB_TREES: trees.join(":"),
      NO_COLOR: "1",
      TMPDIR: folder,
    });
  // A suite that mounts does so in this process's namespace: it unmounts and removes by itself.
  return lab.namespaces ? run(tmpdir()) : withScratch(run);
}

function resultOf(args: readonly string[], env: NodeJS.ProcessEnv): Promise<ContractResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      cwd: ROOT_DIR,
      stdio: ["ignore", "pipe", "pipe"],
      env,
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output = (output + text).slice(-OUTPUT_CHARS_MAX);
      });
    }
    child.on("error", reject);
    child.once("close", (code) => {
      const ran = SOME_PASSED.test(output);
      resolve({ passed: code === 0 && ran, output: ran ? output : output + NONE_RAN });
    });
  });
}
