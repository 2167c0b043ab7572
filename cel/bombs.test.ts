/** Expressions and stored values that were made to harm: each ends, and with the answer it has. */
import { describe, expect, it } from "vitest";
import { BINDINGS } from "./comprehensions.ts";
import { Environment } from "./environment.ts";
import { fromJson, toJson } from "./json.ts";
import { cidrLibrary, ipLibrary } from "./libraries/ip.ts";
import { listsExtension, listsLibrary, setsLibrary } from "./libraries/lists.ts";
import { quantityLibrary } from "./libraries/quantity.ts";
import { regexLibrary } from "./libraries/regex.ts";
import { semverLibrary } from "./libraries/semver.ts";
import { stringsLibrary } from "./libraries/strings.ts";
import { urlsLibrary } from "./libraries/urls.ts";
import { lengthOf, smallerSize } from "./operations.ts";
import { OPTIONALS } from "./optionals.ts";
import { patternWork } from "./pattern-work.ts";
import { compileRegex } from "./regex.ts";
import { schemaValue } from "./schema-values.ts";
import { DYN } from "./types.ts";
import { ArrayList, isError, type Value } from "./value.ts";

const ENVIRONMENT = new Environment({
  variables: { self: DYN },
  libraries: [
    BINDINGS,
    OPTIONALS,
    listsExtension,
    listsLibrary,
    setsLibrary,
    stringsLibrary,
    ipLibrary,
    cidrLibrary,
    quantityLibrary,
    regexLibrary,
    semverLibrary,
    urlsLibrary,
  ],
});

function evaluate(text: string, self: Value = null): unknown {
  const { program, errors } = ENVIRONMENT.compile(text);
  if (errors !== undefined) return errors.issues[0]?.message ?? errors.message;
  const { value } = program.evaluate({ self }, { stepsMax: 1e9 });
  return isError(value) ? value.message : toJson(value);
}

describe("values that do not fit", () => {
  it.each([
    ["self.size > 0", { type: "integer" }, "abc"],
    ["self.size > 0", { type: "integer" }, Infinity],
    ["self.size > 0", { intOrString: true }, [1]],
    ["self.size > 0.0", { type: "number" }, "abc"],
    ["self.size.startsWith('a')", { type: "string" }, 5],
    ["self.size.matches('a')", { type: "string", format: "date-time" }, {}],
    ["self.size || self.size", { type: "boolean" }, 5],
    ["self.size[0]", { type: "array", listType: "set" }, "abc"],
    ["self.size.a", { type: "object" }, [1]],
    ["self.size.a", { type: "object", properties: new Map() }, "abc"],
  ])("%s is an error where %j has %j", (text, size, json) => {
    const properties = new Map([["size", size]]);
    const result = evaluate(text, schemaValue({ size: json }, { type: "object", properties }));
    expect(result).toMatch(/^no such (?:overload|key)/);
  });

  it("reads no offset from UTC of more than a day", () => {
    expect(evaluate("timestamp('2020-01-01T00:00:00Z').getHours('99999999999999:00')")).toBe(
      "invalid time zone offset: 99999999999999:00",
    );
    expect(evaluate("timestamp('2020-01-01T00:00:00Z').getHours('-23:59')")).toBe(0);
  });

  it("keeps every digit of an integer", () => {
    expect(evaluate("[9007199254740993, 9007199254740991]")).toEqual([
      9007199254740993n,
      9007199254740991,
    ]);
    expect(evaluate("18446744073709551615u")).toBe(18446744073709551615n);
  });
});

const LENGTH = 2_000_000;
const ONES = "1".repeat(LENGTH);
const ZEROS = "0".repeat(LENGTH);

describe("texts of the largest request", () => {
  it.each([
    ["duration", "duration(self)", `${ONES}x`, "type conversion error from 'string' to "],
    ["number in a duration", "duration(self)", `${ONES}s`, "type conversion error from 'string'"],
    ["fraction of a duration", "duration(self)", `0.${ONES}s`, "0.111111111s"],
    ["duration of many parts", "duration(self)", "1ns".repeat(500_000), "0.0005s"],
    ["double", "double(self)", `${ONES}x`, "type conversion error from 'string' to 'double'"],
    ["int", "int(self)", ONES, "type conversion error from 'string' to 'int'"],
    ["int after zeros", "int(self)", `${ZEROS}5`, 5],
    ["uint", "uint(self)", ONES, "type conversion error from 'string' to 'uint'"],
    ["address", "isIP(self)", `${":".repeat(LENGTH)}x`, false],
    ["address with a dotted end", "isIP(self)", `${"1:".repeat(LENGTH / 2)}1.1x`, false],
    ["prefix", "isCIDR(self)", `${":".repeat(LENGTH)}x/8`, false],
    ["quantity", "isQuantity(self)", `${ONES}!`, false],
    ["quantity's complaint", "quantity(self)", `${ONES}!`, "quantities must match the regular"],
    ["semver", "semver(self) == semver('1.2.3')", `${ONES}.2.3`, "not a semantic version"],
    ["semver's prerelease that is none", "isSemver(self)", `1.2.3-${ONES}a1.${ONES}!`, false],
    ["semver's prerelease", "semver(self).isLessThan(semver(self))", `1.2.3-${ONES}`, false],
    ["URL's query", "url(self).getQuery()['a'].size()", `/?${"a&".repeat(LENGTH / 2)}`, LENGTH / 2],
  ])("of a %s are read", (_, text, self, result) => {
    const value = evaluate(text, self);
    expect(typeof value === "string" ? value.slice(0, String(result).length) : value).toBe(result);
  });
});

describe("expressions of ten KiB", () => {
  it("cannot copy what macros are called on without end", () => {
    const nested = (count: number): string =>
      `optional.of(1)${".optMap(x, x)".repeat(count)}.hasValue()`;
    expect(evaluate(nested(8))).toBe(true);
    expect(evaluate(nested(25))).toBe("expression is too large: macros copy more than 20000 nodes");
  });

  it("bind parameters of many types", () => {
    expect(evaluate(`[${"[]==[], ".repeat(12_000)}true].size()`)).toBe(12_001);
  });

  it("cannot double a type without end", () => {
    const doubled = (count: number): string => `[1]${".map(a, {a: a})".repeat(count)} == []`;
    expect(evaluate(doubled(1))).toBe(false);
    expect(evaluate(doubled(40))).toBe("expression is too large: its types are");
    const names = Array.from({ length: 40 }, (_, index) => `x${index}`);
    const pairs = names.slice(1).map((name, index) => `${names[index]} == {${name}: ${name}}`);
    const text = `[${pairs.reverse().join(", ")}, x0 == 1]`;
    const bound = names.reduceRight((within, name) => `cel.bind(${name}, [][0], ${within})`, text);
    expect(evaluate(bound)).toBe("expression is too large: its types are");
  });
});

describe("steps count what a call reads", () => {
  const steps = (text: string, self: Value): number =>
    ENVIRONMENT.compile(text).program!.evaluate({ self }, { stepsMax: 1e9 }).steps;
  const numbers = new ArrayList(Array.from({ length: 1000 }, (_, index) => BigInt(index)));
  const lists = fromJson(Array(2).fill([...numbers].map(Number)), DYN);
  const keys = Object.fromEntries(Array.from({ length: 1000 }, (_, index) => [`k${index}`, index]));
  const map = schemaValue(keys, { type: "object", additional: { type: "integer" } });
  const set = schemaValue(Object.keys(keys), {
    type: "array",
    items: { type: "string" },
    listType: "set",
  });
  const unknown = schemaValue([keys], { type: "array", items: { type: "object" } });

  it.each([
    ["both lists that are added", "[1, 2].all(x, (self + [x]).size() > 0)", numbers, 2000],
    ["both sets that are added", "[1, 2].all(x, (self + ['x']).size() > 0)", set, 2000],
    ["the keys of a map", "['a', 'b'].all(x, size(self) > 0)", map, (2 * 1000) / 16],
    ["the keys of a range", "[1, 2].all(x, self.exists(k, true))", map, (2 * 1000) / 16],
    ["texts that are joined", "[self.join(), self.join()].size() > 0", set, 2000],
    ["the items of an item", "self[0] in [self[1]]", lists, 1000],
    ["the items of distinct items", "[self[0], self[1], self[0]].distinct().size()", lists, 2000],
    ["the items of sets", "sets.contains([self[0]], [self[1]])", lists, 1000],
    ["the items of a sought item", "[self[0]].indexOf(self[1])", lists, 1000],
    ["keys of a set", "self == self + []", set, 2000],
    ["data without a schema", "self[0] == self[0]", unknown, 1000],
    ["items that are written", "'%s'.format([self]) != ''", numbers, 1000],
    ["keys and values that are written", "'%s'.format([self]) != ''", map, 2000],
    ["texts that are written", "'%s'.format([[self, self]]) != ''", "a".repeat(16_000), 2000],
    ["items of one list that are flattened", "[self, self].flatten().size()", numbers, 2000],
  ])("%s", (_, text, self, least) => {
    expect(steps(text, self)).toBeGreaterThanOrEqual(least);
  });

  it("but not what a list that grows has already", () => {
    expect(steps("self.map(x, x)", numbers)).toBeLessThan(20_000);
  });

  it("and code points, of a long text no more than the comparison's cost needs", () => {
    const texts = ["", "a", "\ud83d\ude00", "\ud83d", "\ude00\ud83d", "a\ud83d\ude00\ude00"];
    for (const text of texts) expect(lengthOf(text)).toBe([...text].length);
    const pairs = texts.flatMap((left) => texts.map((right) => [left, right.repeat(3)] as const));
    for (const [left, right] of pairs) {
      const least = Math.min([...left].length, [...right].length);
      expect(smallerSize(left, right)).toBe(least);
      expect(smallerSize(right, left)).toBe(least);
    }
  });

  it("and not all keys where one is sought", () => {
    expect(steps("'k1' in self", map)).toBeLessThan(10);
  });
});

describe("regular expressions", () => {
  const large = (index: number): string => `(${"abcdefghij".repeat(8)}${index}){1000}`;

  it.each([
    ["a", 1],
    ["(ab){3}", 4 * 3 + 3],
    ["((a{10}){10}){10}", 2_664],
    ["(a{3}b{4}){2,}", 22 * 2 + 4],
    ["a{2,5}b{3}", 15 + 9],
    ["[(]a{5}", 3 + 13],
    ["\\(a{5}\\)", 4 + 13],
    ["(?i)\\pL[\\PN]\\\\p{2}", 4 + 103 + 105 + 2 + 7],
    ["((a{10}[(]){10}){10}", 2_964],
    ["((a{10}[^])]){10}){10}", 3_164],
    ["((a{10}\\Q(\\E){10}){10}", 3_264],
    ["(a{10})(?iiiiiiiii-s){10}", 405],
    ["(a{10})\\Q\\E{10}", 304],
    ["\\pL{100}", 104 * 100 + 5],
    ["(?i)[B-\u{1e943}]", 10 + 2_504],
    ["(?i:[B-\\x{00001E943}])", 2_504 + 5 + 16],
    ["(?i)[ -\\377]", 4 + 8 + 9],
    [`[${"[:".repeat(1000)}`, 2 * 2001],
  ])("%s has the size %d", (pattern, size) => {
    expect(patternWork(pattern).size).toBe(size);
  });

  it("are refused when the ranges whose case is folded are wide", () => {
    expect(evaluate(`'a'.matches('(?i)${"[B-\u{1e943}]".repeat(41)}')`)).toBe(
      "error parsing regexp: expression too large",
    );
    expect(evaluate(`'a'.matches('(?i)^[a-z\u00e0-\u00ff]+$')`)).toBe(true);
  });

  it("take steps for each state that a repetition has, and for each match", () => {
    const { program } = ENVIRONMENT.compile("self.matches('[ab]*a[ab]{1000}c')");
    const steps = program!.evaluate({ self: "ab".repeat(500) }, { stepsMax: 1e9 }).steps;
    expect(steps).toBeGreaterThan(50_000);
    const all = ENVIRONMENT.compile("self.findAll('a.*b|a').size()").program!;
    const evaluateAll = () => all.evaluate({ self: "a".repeat(5_000) }, { stepsMax: 100_000 });
    expect(evaluateAll).toThrow("more than 100000 steps");
  });

  it("are refused when alternatives share a long prefix, or are nested deeply", () => {
    const tooLarge = "error parsing regexp: expression too large";
    const digits = "\\\\d".repeat(3_000);
    expect(evaluate(`'a'.matches('${digits}a|${digits}b')`)).toBe(tooLarge);
    const letter = (index: number) => String.fromCharCode(0x4e00 + index);
    const nested = Array.from({ length: 2_000 }, (_, index) => `|${letter(index)}.)`).join("");
    expect(evaluate(`'a'.matches('${"(?:".repeat(2_000)}a${nested}')`)).toBe(tooLarge);
    const list = Array.from({ length: 2_000 }, (_, index) => `${letter(index)}${index}`).join("|");
    expect(evaluate(`'a'.matches('^(?:${list}|a)$')`)).toBe(true);
  });

  it("make no one-pass automaton of many alternatives, and match alike", () => {
    const words = Array.from(
      { length: 40 },
      (_, index) => `(${String.fromCharCode(0x100 + index)}b)`,
    );
    const pattern = `^(?:${words.join("|")})*$`;
    const { onepass } = (compileRegex(pattern) as unknown as { re2(): { onepass: unknown } }).re2();
    expect(onepass).toBe(null);
    expect(evaluate(`['', '\u0100b\u0101b', 'x\u0100b'].map(x, x.matches('${pattern}'))`)).toEqual([
      true,
      true,
      false,
    ]);
    expect(compileRegex(`${pattern})`)).toBe(`error parsing regexp: unexpected ): \`${pattern})\``);
  });

  it("are refused when repetitions within repetitions are large", () => {
    expect(evaluate(`'a'.matches('(((${"abcdefghij".repeat(10)}){10}){10}){10}')`)).toBe(
      "error parsing regexp: expression too large",
    );
  });

  it("stay compiled up to a sum of sizes, and compiling takes steps", () => {
    const { program } = ENVIRONMENT.compile("'a'.matches(self)");
    const steps = (self: string): number => program!.evaluate({ self }, { stepsMax: 1e9 }).steps;
    expect(steps(large(0))).toBeGreaterThan(80_000);
    expect(steps(large(0))).toBeLessThan(25_000);
    for (let index = 1; index <= 25; index++) compileRegex(large(index));
    expect(steps(large(0))).toBeGreaterThan(80_000);
  });
});
