import { expect, it } from "vitest";
import { documents } from "./sources.ts";

/** Where code of tests lies; that a named file exists is checked in docs.test.ts. */
const TEST_CODE = /`(?:[\w./-]+\.test\.ts|(?:test|labs)\/[\w./-]+)`|area `access`/;
/** The beginnings of what stands where a class of attacks has no test, with its reason. */
const REASONS = /^(not applicable\b|no test: .{20}|none; .{20})/;
/** The rows that may have none at all. */
const UNTESTED = ["a conmon for each container, 0.3 MiB of the node's memory"];

/** The rows of a document's tables whose last column names tests: the first and the last cell. */
function rowsWithTests(text: string): [string, string][] {
  const tables = [...text.matchAll(/^\|[^\n]*\| tests?\b[^|\n]* \|\n\|[ -|]+\|\n((?:\|.*\n)+)/gm)];
  return tables.flatMap(([, rows = ""]) =>
    rows
      .trimEnd()
      .split("\n")
      .map((row) => {
        const cells = row
          .split(/(?<!\\)\|/)
          .slice(1, -1)
          .map((cell) => cell.trim());
        return [cells.slice(0, 2).join(": "), cells.at(-1)!] as [string, string];
      }),
  );
}

it.each([
  ["SECURITY", 150],
  ["TENANTS", 20],
])(
  "every class of attacks and every promise in %s.md has a test, or the reason why not",
  (name, least) => {
    const { text } = documents().find(({ path }) => path === `docs/${name}.md`)!;
    const rows = rowsWithTests(text);
    expect(rows.length).toBeGreaterThan(least);
    const bare = rows.filter(
      ([what, test]) =>
        !TEST_CODE.test(test) &&
        !REASONS.test(test) &&
        !UNTESTED.some((each) => what.startsWith(each)),
    );
    expect(bare).toEqual([]);
  },
);
