/**
 * Records what upstream's own rules say about the cases of `rules/cases.ts`, by a Go program that
 * is built from upstream's modules. Use: `node scripts/rules.ts` (needs Go and its module proxy).
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { KUBERNETES_VERSION, STAGING_VERSION } from "./facts/packages.ts";
import { type Answer, sorted, writeAnswers } from "./rules/answers.ts";
import { cases } from "./rules/cases.ts";

const ORACLE = join(import.meta.dirname, "rules/oracle/main.go");
const OUTPUT_LIMIT_BYTES = 256 * 1024 * 1024;

interface OracleAnswer {
  readonly error?: string;
  readonly errors: readonly { type: string; field: string; message: string }[] | null;
}

/** Upstream's staging modules, which its own go.mod replaces by folders that the module lacks. */
function goMod(workspace: string): string {
  const output = execFileSync(
    "go",
    ["mod", "download", "-json", `k8s.io/kubernetes@${KUBERNETES_VERSION}`],
    { cwd: workspace, encoding: "utf8" },
  );
  const { GoMod } = JSON.parse(output) as { GoMod: string };
  const staging = readFileSync(GoMod, "utf8").matchAll(/^\s*(k8s\.io\/\S+) => \.\/staging/gm);
  const replaced = [...staging].map(([, name]) => `\t${name} => ${name} ${STAGING_VERSION}`);
  return (
    `module oracle\n\ngo 1.26\n\nrequire k8s.io/kubernetes ${KUBERNETES_VERSION}\n\n` +
    `replace (\n${replaced.join("\n")}\n)\n`
  );
}

function build(workspace: string): string {
  writeFileSync(join(workspace, "go.mod"), "module oracle\n\ngo 1.26\n");
  writeFileSync(join(workspace, "go.mod"), goMod(workspace));
  cpSync(ORACLE, join(workspace, "main.go"));
  execFileSync("go", ["mod", "tidy"], { cwd: workspace, stdio: "inherit" });
  execFileSync("go", ["build", "-o", "oracle", "."], { cwd: workspace, stdio: "inherit" });
  return join(workspace, "oracle");
}

function answerOf({ error, errors }: OracleAnswer): Answer {
  if (error !== undefined) return { undecodable: true, complaints: [] };
  return {
    complaints: sorted(
      (errors ?? []).map(({ type, field, message }) => [type, field, message.split("\n")[0] ?? ""]),
    ),
  };
}

function main(): void {
  const workspace = mkdtempSync(join(tmpdir(), "r2k-rules-"));
  try {
    const oracle = build(workspace);
    const all = cases();
    const output = execFileSync(oracle, {
      input: all.map(({ object, old }) => `${JSON.stringify({ object, old })}\n`).join(""),
      encoding: "utf8",
      maxBuffer: OUTPUT_LIMIT_BYTES,
      stdio: ["pipe", "pipe", "ignore"],
    });
    const lines = output.trimEnd().split("\n");
    if (lines.length !== all.length) {
      throw new Error(`${all.length} cases got ${lines.length} answers`);
    }
    writeAnswers(
      Object.fromEntries(
        all.map((each, index) => [each.id, answerOf(JSON.parse(lines[index]!) as OracleAnswer)]),
      ),
    );
  } finally {
    rmSync(workspace, { recursive: true });
  }
}

main();
