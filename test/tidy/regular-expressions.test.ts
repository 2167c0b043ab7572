import { analyse } from "scslre";
import { expect, it } from "vitest";
import { APART, handWritten } from "./sources.ts";
import { statementsOf, walk } from "./syntax.ts";

/** What a person runs on their own texts. */
const OWN_TEXTS = /^(?:cli|container|explain|dashboard|runtime\/build)\//;

/** Expressions that would be slow, if their texts were long. */
const SHORT_TEXTS = new Map([
  [String.raw`/0+$/`, "decimals of a number"],
  [String.raw`/\.?0+$/`, "decimals of a number"],
  [String.raw`/\d(?=(?:\d{3})+(?:\.|$))/g`, "digits of a number"],
  [String.raw`/[-.]+$/`, "a host name cut at 63 characters"],
  [String.raw`/(^|[.:])0+(?=\d+(?:[./]|$))/g`, "ADDRESS_LENGTH_MAX"],
  [String.raw`/^[0-9a-fA-F:]*:[0-9a-fA-F:]*$/`, "ADDRESS_LENGTH_MAX"],
  [
    String.raw`/^[+-]?0*(\d*)(?:\.(\d*))?([a-zA-Z]*)([+-]?\d*)$/`,
    "a quantity that was read before",
  ],
  [String.raw`/^[+-]?\d*(?:\.\d*)?([eEinumkKMGTP]*[+-]?\d*)$/`, "QUANTITY_LENGTH_MAX"],
  [String.raw`/^ *([0-7]*)[ \0]*$/`, "a field of an archive's header"],
  [String.raw`/^\s*(basic|bearer)\s*(.*)$/i`, "CHALLENGE_CHARACTERS"],
  [String.raw`/^([0-9a-f]+)-([0-9a-f]+) r-xp \S+ \S+ \S+ +(.+)$/`, "the kernel's"],
  [String.raw`/(\S+)=(\d+)/g`, "a note of the product's own"],
  [String.raw`/\s*(?:"((?:[^"]|"")*)"|([^,]*))(?:,|$)/g`, "a file of the operator's"],
  // These match any text, or each text that gets so far: nothing is tried again.
  [String.raw`/^(.*?)(!=|==|=)(.*)$/s`, "matches"],
  [String.raw`/^([^!<>=]+)([!<>=]+)(.+?)$/s`, "matches"],
  [String.raw`/^(?:([^:/?#]+):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s`, "matches"],
  [String.raw`/^((?:[a-z][a-z0-9+.-]*:)?\/\/([^/?#]*))?(\/[^?#]*)?(.*)$/is`, "matches"],
  [String.raw`/0*(\d*)(?:\.(\d*))?(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/gy`, "matches"],
]);

it("no regular expression takes quadratic time for a text that another party sends", () => {
  let count = 0;
  const slow = handWritten()
    .filter(({ path }) => /\.tsx?$/.test(path) && !APART.test(path) && !OWN_TEXTS.test(path))
    .flatMap((file) => {
      const found: string[] = [];
      walk(statementsOf(file), (node) => {
        if (node.type !== "RegExpLiteral") return;
        count++;
        const source = String(node["pattern"]);
        const flags = String(node["flags"]);
        const { reports } = analyse({ source, flags });
        const text = `/${source}/${flags}`;
        if (reports.length > 0 && !SHORT_TEXTS.has(text)) {
          found.push(`${file.path}:${node.loc.start.line}: ${text}`);
        }
      });
      return found;
    });
  expect(count).toBeGreaterThan(300);
  expect(slow).toEqual([]);
});
