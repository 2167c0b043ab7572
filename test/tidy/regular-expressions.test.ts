import { analyse } from "scslre";
import { expect, it } from "vitest";
import { APART, handWritten } from "./sources.ts";
import { statementsOf, walk } from "./syntax.ts";

/** What a person runs on their own texts. */
const OWN_TEXTS = /^(?:cli|container|explain|dashboard|runtime\/build)\//;

/** Expressions that would be slow, if their texts were long. */
const SHORT_TEXTS = new Map([
  [String.raw`api/duration.ts: /0+$/`, "decimals of a number"],
  [String.raw`cel/time.ts: /0+$/`, "decimals of a number"],
  [String.raw`cel/time.ts: /\.?0+$/`, "decimals of a number"],
  [String.raw`cel/libraries/string-format.ts: /\d(?=(?:\d{3})+(?:\.|$))/g`, "digits of a number"],
  [String.raw`kubelet/sandbox/hostname.ts: /[-.]+$/`, "a host name cut at 63 characters"],
  [String.raw`apiextensions/formats.ts: /(^|[.:])0+(?=\d+(?:[./]|$))/g`, "ADDRESS_LENGTH_MAX"],
  [String.raw`cel/libraries/net-address.ts: /^[0-9a-fA-F:]*:[0-9a-fA-F:]*$/`, "ADDRESS_LENGTH_MAX"],
  [
    String.raw`cel/libraries/quantity.ts: /^[+-]?0*(\d*)(?:\.(\d*))?([a-zA-Z]*)([+-]?\d*)$/`,
    "a quantity that was read before",
  ],
  [
    String.raw`base/std/quantity.ts: /^[+-]?\d*(?:\.\d*)?([eEinumkKMGTP]*[+-]?\d*)$/`,
    "QUANTITY_LENGTH_MAX",
  ],
  [String.raw`runtime/image/tar/header.ts: /^ *([0-7]*)[ \0]*$/`, "a field of an archive's header"],
  [
    String.raw`runtime/image/registry-auth.ts: /^\s*(basic|bearer)\s*(.*)$/i`,
    "CHALLENGE_CHARACTERS",
  ],
  [String.raw`proxy/apply/parameters.ts: /(\S+)=(\d+)/g`, "a note of the product's own"],
  [
    String.raw`apiserver/authn/token-file.ts: /\s*(?:"((?:[^"]|"")*)"|([^,]*))(?:,|$)/g`,
    "a file of the operator's",
  ],
  // These match any text, or each text that gets so far: nothing is tried again.
  [String.raw`api/selector.ts: /^(.*?)(!=|==|=)(.*)$/s`, "matches"],
  [String.raw`apiextensions/json-path.ts: /^([^!<>=]+)([!<>=]+)(.+?)$/s`, "matches"],
  [
    String.raw`api/validation/webhook-client.ts: /^(?:([^:/?#]+):)?(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(?:#(.*))?$/s`,
    "matches",
  ],
  [
    String.raw`apiserver/handlers/subresources/pass-through.ts: /^((?:[a-z][a-z0-9+.-]*:)?\/\/([^/?#]*))?(\/[^?#]*)?(.*)$/is`,
    "matches",
  ],
  [String.raw`cel/time.ts: /0*(\d*)(?:\.(\d*))?(ns|us|\u00b5s|\u03bcs|ms|s|m|h)/gy`, "matches"],
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
        if (reports.length > 0) found.push(`${file.path}: /${source}/${flags}`);
      });
      return found;
    });
  expect(count).toBeGreaterThan(300);
  expect([...new Set(slow)].sort()).toEqual([...SHORT_TEXTS.keys()].sort());
});
