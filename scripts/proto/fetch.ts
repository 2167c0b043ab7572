// Takes the facts of the public .proto files from their Go modules into base/proto/schema.
// Usage: node scripts/proto/fetch.ts   (needs Go and its module proxy)
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import protobuf from "protobufjs";
import { printSchema } from "./print.ts";
import { SCHEMA_SOURCES, type SchemaSource } from "./sources.ts";

const schemaDir = join(import.meta.dirname, "../../base/proto/schema");

const dirs = new Map<string, string>();

/** The folder of a module's files at the source's version. */
function moduleDir({ module, version }: Pick<SchemaSource, "module" | "version">): string {
  const known = dirs.get(module);
  if (known !== undefined) return known;
  const dir = mkdtempSync(join(tmpdir(), "r2k-proto-"));
  try {
    writeFileSync(join(dir, "go.mod"), "module schema\n\ngo 1.21\n");
    const args = ["mod", "download", "-json", `${module}@${version}`];
    const answer = execFileSync("go", args, { cwd: dir, encoding: "utf8" });
    const found = (JSON.parse(answer) as { Dir: string }).Dir;
    dirs.set(module, found);
    return found;
  } finally {
    rmSync(dir, { recursive: true });
  }
}

for (const source of SCHEMA_SOURCES) {
  const root = new protobuf.Root();
  for (const file of source.files) {
    const dir = moduleDir({ ...source, ...file });
    protobuf.parse(readFileSync(join(dir, file.path), "utf8"), root, { keepCase: true });
  }
  for (const file of source.files) {
    const name = source.files.length === 1 ? source.name : `${source.name}/${file.packageName}`;
    const target = join(schemaDir, `${name}.proto`);
    mkdirSync(join(target, ".."), { recursive: true });
    writeFileSync(target, printSchema(root, file.packageName));
    console.log(`${target}: ${file.module ?? source.module}@${source.version}`);
  }
}
