/**
 * Reads the tests of cel-spec and cel-go's tables of costs into `cel/testdata/`, as plain YAML.
 * Use: `node scripts/cel-testdata.ts` (needs Go and its module proxy, or a filled module cache).
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import { convertFile } from "./cel-testdata/conformance.ts";
import { costCases, type Tables } from "./cel-testdata/cost-cases.ts";
import { parseTextproto } from "./cel-testdata/textproto.ts";

const SPEC = "cel.dev/expr@v0.25.1";
const CEL_GO = "github.com/google/cel-go@v0.26.0";
const TARGET = join(import.meta.dirname, "../cel/testdata");
const READER = join(import.meta.dirname, "cel-testdata/read-cases.go");
/** Extensions of protobuf, unknowns and blocks: nothing of them is in Kubernetes. */
const FILES_LEFT_OUT = /^(?:proto2|proto3|proto2_ext|enums|unknowns|block_ext|wrappers|dynamic)\./;

/** The directory of a module in Go's module cache, downloaded when absent. */
function moduleDirectory(module: string, workspace: string): string {
  const words = ["mod", "download", "-json", module];
  const output = execFileSync("go", words, { cwd: workspace, encoding: "utf8" });
  return (JSON.parse(output) as { Dir: string }).Dir;
}

function write(name: string, head: string, content: unknown): void {
  const text = stringify(content, { lineWidth: 0, flowCollectionPadding: true });
  writeFileSync(join(TARGET, name), `# ${head}\n# Made by scripts/cel-testdata.ts.\n${text}`);
}

function convertConformance(directory: string): void {
  mkdirSync(join(TARGET, "conformance"), { recursive: true });
  const leftOut: Record<string, unknown> = {};
  for (const file of readdirSync(directory).filter((each) => each.endsWith(".textproto"))) {
    const { sections, leftOut: names } = convertFile(
      parseTextproto(readFileSync(join(directory, file), "utf8")),
    );
    const name = file.replace(".textproto", "");
    const count = Object.values(sections).flat().length;
    if (FILES_LEFT_OUT.test(file) || count === 0) {
      leftOut[name] = count + Object.values(names).flat().length;
      continue;
    }
    if (Object.keys(names).length > 0) leftOut[name] = names;
    write(`conformance/${name}.yaml`, `${SPEC}, tests/simple/testdata/${file}`, sections);
  }
  write(
    "conformance-left-out.yaml",
    "Cases of cel-spec that are not converted: a whole file's count, or names by reason.",
    leftOut,
  );
}

function convertCosts(directory: string): void {
  const tables = [
    ["estimated", "checker/cost_test.go", "TestCost"],
    ["runtime", "interpreter/runtimecost_test.go", "TestRuntimeCost"],
  ] as const;
  for (const [name, file, test] of tables) {
    const output = execFileSync("go", ["run", READER, test], {
      encoding: "utf8",
      input: readFileSync(join(directory, file)),
    });
    write(`cost-${name}.yaml`, `${CEL_GO}, ${file}`, costCases(JSON.parse(output) as Tables));
  }
}

const workspace = mkdtempSync(join(tmpdir(), "r2k-cel-"));
try {
  writeFileSync(join(workspace, "go.mod"), "module testdata\n\ngo 1.24\n");
  convertConformance(join(moduleDirectory(SPEC, workspace), "tests/simple/testdata"));
  convertCosts(moduleDirectory(CEL_GO, workspace));
} finally {
  rmSync(workspace, { recursive: true, force: true });
}
