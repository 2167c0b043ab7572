import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { GROUPS, type Group } from "./groups.ts";
import { runPatterns } from "./run-vitest.ts";

const ROOT = join(import.meta.dirname, "..");
/** The groups that need neither root nor another program: for daily work. */
const QUICK = ["types", "tidy", "unit"];
const NOT_OURS = ["**/node_modules/**", "dist/**", ".peers/**", ".cache/**"];

/** An argument of `npm test` that is neither a group nor finds a test. */
export class UnknownTestError extends Error {
  override readonly name = "UnknownTestError";

  constructor(argument: string) {
    const names = [...new Set(["quick", ...GROUPS.map((group) => group.name)])].join(", ");
    super(
      `npm test: ${argument} is no group (${names}), no file or folder with tests, ` +
        `and in no test file's name or text`,
    );
  }
}

/**
 * Returns the groups that the arguments of `npm test` select, all for none. An argument is `quick`,
 * a group, a test file, a source file with a test beside it, a module of cases that a test beside
 * it imports, a folder, a part of a test file's path, or a part of a test's title. Throws
 * UnknownTestError for any other.
 */
export function selectGroups(args: readonly string[]): readonly Group[] {
  if (args.length === 0) return GROUPS;
  const names = args.flatMap((arg) => (arg === "quick" ? QUICK : [arg]));
  const groups = GROUPS.filter(({ name }) => names.includes(name));
  const others = names.filter((name) => !GROUPS.some((group) => group.name === name));
  return [...groups, ...others.map(filesGroup)];
}

function filesGroup(argument: string): Group {
  const { files, title } = findTests(argument);
  return {
    name: argument,
    run: () =>
      runPatterns(files, { ...(files.some(isReal) && { workers: 1 }), ...(title && { title }) }),
  };
}

/** Tests outside the packages start processes and take the machine's names for themselves. */
const isReal = (path: string): boolean => path.startsWith("test/");

/** Returns the test files that an argument means, and the title where it is a part of one. */
export function findTests(argument: string): { files: readonly string[]; title?: string } {
  const path = argument.replace(/^\.\//, "").replace(/\/$/, "");
  if (existsSync(join(ROOT, path))) {
    const beside = path.endsWith(".test.ts") ? path : path.replace(/\.ts$/, ".test.ts");
    if (statSync(join(ROOT, path)).isDirectory()) {
      const files = testFiles(`${path}/**/*.test.ts`);
      if (files.length > 0) return { files };
    } else if (beside.endsWith(".test.ts") && existsSync(join(ROOT, beside))) {
      return { files: [beside] };
    } else {
      const files = testFiles(`${dirname(path)}/*.test.ts`).filter((file) =>
        textOf(file).includes(`"./${basename(path)}"`),
      );
      if (files.length > 0) return { files };
    }
  }
  const all = testFiles("**/*.test.ts");
  const named = all.filter((file) => file.includes(path));
  if (named.length > 0) return { files: named };
  const texts = all.filter((file) => textOf(file).includes(argument));
  if (texts.length > 0) return { files: texts, title: argument };
  throw new UnknownTestError(argument);
}

const textOf = (file: string) => readFileSync(join(ROOT, file), "utf8");

function testFiles(pattern: string): string[] {
  return globSync(pattern, { cwd: ROOT, exclude: NOT_OURS }).toSorted();
}
