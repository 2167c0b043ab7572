import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

export const ROOT = join(import.meta.dirname, "../..");

export interface SourceFile {
  /** Path from the root, with `/`. */
  readonly path: string;
  readonly text: string;
  readonly lines: readonly string[];
}

/** Paths of code that is not the product's own. */
export const APART = /^(bench|labs|scripts|test|testing)\/|\/testing\/|\.test\.ts$/;

let files: SourceFile[] | undefined;

/** Every TypeScript and JavaScript file of the product that git knows or could know. */
export function sourceFiles(): SourceFile[] {
  files ??= listed(["*.ts", "*.tsx", "*.mjs"]).map(read);
  return files;
}

/** Sources that people write: generated tables are judged by their generator. */
export function handWritten(): SourceFile[] {
  return sourceFiles().filter((file) => !/(^|\/)(gen|facts)\//.test(file.path));
}

/** Markdown documents of the product. */
export const documents = (): SourceFile[] => listed(["*.md"]).map(read);

function listed(patterns: readonly string[]): string[] {
  const args = ["ls-files", "--cached", "--others", "--exclude-standard", "--", ...patterns];
  const output = execFileSync("git", args, { cwd: ROOT, encoding: "utf8" });
  const paths = [...new Set(output.split("\n").filter(Boolean))].sort();
  return paths.filter((path) => existsSync(join(ROOT, path)));
}

function read(path: string): SourceFile {
  const text = readFileSync(join(ROOT, path), "utf8");
  return { path, text, lines: text.split("\n") };
}
