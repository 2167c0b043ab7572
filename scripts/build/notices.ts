import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./bundle.ts";

const TEXTS = /^(licen[sc]e|copying|notice)/i;

/**
 * Writes the licences of all packages that bundles may contain: most are given on the condition
 * that their text goes with each copy. Throws for a package that names no licence.
 */
export function writeNotices(file: string): void {
  const listed = execFileSync("npm", ["ls", "--omit=dev", "--all", "--parseable"], { cwd: ROOT });
  const modules = join(ROOT, "node_modules/");
  const packages = listed.toString().split("\n");
  const isOwn = (dir: string) => dir.startsWith(`${modules}@raft2kube/`);
  const others = packages.filter((dir) => dir.startsWith(modules) && !isOwn(dir));
  const notices = new Set(others.map(noticeOf));
  writeFileSync(file, [...notices].sort().join(`\n${"-".repeat(80)}\n\n`));
}

function noticeOf(dir: string): string {
  const text = readFileSync(join(dir, "package.json"), "utf8");
  const { name, version, license } = JSON.parse(text) as Record<string, unknown>;
  if (typeof license !== "string") throw new Error(`${dir}/package.json: license: missing`);
  const files = readdirSync(dir).filter((each) => TEXTS.test(each));
  const texts = files.map((each) => `\n${readFileSync(join(dir, each), "utf8").trimEnd()}\n`);
  return `${name} ${version}: ${license}\n${texts.join("")}`;
}
