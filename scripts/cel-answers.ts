/**
 * Records what upstream's CEL environment answers to the expressions of its own tests and of
 * `cel/testdata/libraries.jsonl`, into the same file (a further one is a line with `expression`),
 * and what its rules say in its tests of x-kubernetes-validations, into `apiextensions/testdata`.
 * Use: `node scripts/cel-answers.ts` (needs Go and its module proxy).
 */
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rulesOfTests } from "./cel/rules-of-tests.ts";
import { STAGING_VERSION } from "./facts/packages.ts";

const HERE = join(import.meta.dirname, "cel");
const OUTPUT = join(import.meta.dirname, "../cel/testdata/libraries.jsonl");
const RULES = join(import.meta.dirname, "../apiextensions/testdata");
const OUTPUT_LIMIT_BYTES = 64 * 1024 * 1024;
const CEL_GO = "github.com/google/cel-go";
const TESTED = ["k8s.io/apiserver/pkg/cel/library", `${CEL_GO}/ext`];

function go(cwd: string, ...args: string[]): string {
  return execFileSync("go", args, {
    cwd,
    encoding: "utf8",
    maxBuffer: OUTPUT_LIMIT_BYTES,
    env: { ...process.env, GOFLAGS: "-mod=mod" },
  });
}

/** A module that needs the apiserver, with the oracle in it. */
function makeModule(folder: string, replaced = ""): void {
  mkdirSync(folder);
  cpSync(join(HERE, "oracle/main.go"), join(folder, "main.go"));
  const required = `require k8s.io/apiserver ${STAGING_VERSION}`;
  writeFileSync(join(folder, "go.mod"), `module oracle\n\ngo 1.26\n\n${required}\n${replaced}`);
  go(folder, "mod", "tidy");
}

/** The expressions that upstream's tests compile, by a copy of cel-go that writes them down. */
function expressionsOfTests(workspace: string, oracle: string): string[] {
  const { Dir } = JSON.parse(go(oracle, "list", "-m", "-json", CEL_GO)) as { Dir: string };
  const copy = join(workspace, "cel-go");
  cpSync(Dir, copy, { recursive: true });
  execFileSync("chmod", ["-R", "u+w", copy]);
  const environment = join(copy, "cel/env.go");
  const head = "func (e *Env) Compile(txt string) (*Ast, *Issues) {\n";
  const source = readFileSync(environment, "utf8");
  if (!source.includes(head)) throw new Error(`${environment}: no Compile to record in`);
  writeFileSync(environment, source.replace(head, `${head}\trecordExpression(txt)\n`));
  cpSync(join(HERE, "record.go"), join(copy, "cel/record.go"));
  const tests = join(workspace, "tests");
  makeModule(tests, `\nreplace ${CEL_GO} => ${copy}\n`);
  const recorded = join(workspace, "expressions.jsonl");
  // Some of cel-go's own tests fail with the versions that Kubernetes selects.
  spawnSync("go", ["test", ...TESTED], {
    cwd: tests,
    stdio: "ignore",
    env: { ...process.env, GOFLAGS: "-mod=mod", EXPRESSIONS: recorded },
  });
  return readFileSync(recorded, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as string);
}

type Answer = { readonly expression?: string; readonly compile?: string };

const answersIn = (lines: string): Answer[] =>
  lines
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Answer);

function main(): void {
  const workspace = mkdtempSync(join(tmpdir(), "r2k-cel-"));
  try {
    const oracle = join(workspace, "oracle");
    makeModule(oracle);
    go(oracle, "build", "-o", "oracle", ".");
    const known = answersIn(readFileSync(OUTPUT, "utf8")).map(({ expression = "" }) => expression);
    const all = [...new Set([...known, ...expressionsOfTests(workspace, oracle).sort()])];
    const output = execFileSync(join(oracle, "oracle"), {
      input: all.map((each) => `${JSON.stringify(each)}\n`).join(""),
      encoding: "utf8",
      maxBuffer: OUTPUT_LIMIT_BYTES,
    });
    const answers = answersIn(output);
    const lines = all.flatMap((expression, index) => {
      const answer = answers[index]!;
      // Tests of libraries that Kubernetes leaves out, and of variables of their own.
      if (/undeclared reference/.test(answer.compile ?? "")) return [];
      return [`${JSON.stringify({ expression, ...answer })}\n`];
    });
    writeFileSync(OUTPUT, lines.join(""));
    const { validations, compilations } = rulesOfTests(workspace, go);
    writeFileSync(join(RULES, "rule-outcomes.json"), validations);
    writeFileSync(join(RULES, "rule-costs.json"), compilations);
  } finally {
    rmSync(workspace, { recursive: true });
  }
}

main();
