import { expect, it } from "vitest";
import { RETIRED_WORDS } from "./retired-words.ts";
import { APART, handWritten, type SourceFile } from "./sources.ts";
import { declaredNames } from "./syntax.ts";

/** Matches of a pattern in code, as `path:line: text`. Comments do not count. */
function found(files: readonly SourceFile[], pattern: RegExp): string[] {
  return files.flatMap((file) =>
    file.lines.flatMap((line, index) => {
      const code = line.replace(/(^|\s)\/\/.*$/, "").replace(/^\s*\/?\*.*$/, "");
      return pattern.test(code) ? [`${file.path}:${index + 1}: ${line.trim()}`] : [];
    }),
  );
}

const product = handWritten().filter((file) => !file.path.startsWith("test/tidy/"));
const pure = product.filter((file) => {
  return /^(base\/std|store\/core)\//.test(file.path) && !file.path.endsWith(".test.ts");
});

it("files are named after what is in them", () => {
  const vague = /(^|\/)(utils?|common|helpers?|misc|manager)(\/|\.|$)/;
  expect(product.map((file) => file.path).filter((path) => vague.test(path))).toEqual([]);
});

/** The words of a name in kebab-case, camelCase, snake_case or capitals, in lower case. */
function wordsOf(name: string): string[] {
  const humps = name.replace(/([a-z0-9])([A-Z])/g, "$1 $2");
  return humps
    .replace(/([A-Z])([A-Z][a-z])/g, "$1 $2")
    .toLowerCase()
    .split(/[^a-z]+/);
}

it("splits names into words", () => {
  expect(wordsOf("readHTTPBody")).toEqual(["read", "http", "body"]);
  expect(wordsOf("#QUEUE_FLUSH_MS")).toEqual(["", "queue", "flush", "ms"]);
  expect(wordsOf("proxy/stale-flows.test.ts")).toEqual(["proxy", "stale", "flows", "test", "ts"]);
  const text = "class A { #b = 1; c(d: E) { const { f: g } = d; } } interface H { i: J }";
  const file = { path: "a.ts", text, lines: [text] };
  expect(declaredNames(file).sort()).toEqual(["A", "H", "b", "c", "d", "g", "i"]);
});

const parsed = new Map<SourceFile, string[]>();

/** Returns the names that a file declares; parses it at the first call only. */
function namesOf(file: SourceFile): string[] {
  const names = parsed.get(file) ?? declaredNames(file);
  parsed.set(file, names);
  return names;
}

it("retired words name no file and no symbol", () => {
  const named = product.map((file) => ({ path: file.path, names: [file.path, ...namesOf(file)] }));
  const names = [...new Set(named.flatMap((file) => file.names))];
  const joined = names.map((name) => [name, `-${wordsOf(name).join("-")}-`] as const);
  const returned = RETIRED_WORDS.flatMap(({ words, instead, folders = [] }) => {
    const holds = joined.filter(([, all]) => words.some((word) => all.includes(`-${word}-`)));
    const retired = new Set(holds.map(([name]) => name));
    const isInside = (path: string) =>
      folders.length === 0 || folders.some((one) => path === one || path.startsWith(`${one}/`));
    return named
      .filter(({ path }) => isInside(path))
      .flatMap((file) =>
        file.names
          .filter((name) => retired.has(name))
          .map((name) => `${file.path}: ${name} (write ${instead})`),
      );
  });
  expect(returned).toEqual([]);
});

/** Names of protocols, of JavaScript, and types' own bounds. */
const NAMES_OF_OTHERS = /^MAX_(SAFE_INTEGER|CONCURRENT_STREAMS|FRAME_SIZE|HEADER_LIST_SIZE|INT32)$/;

it("a bound is named by what it bounds, its unit, then MAX or MIN", () => {
  const turned = /^(MAX|MIN)_|_(MAX|MIN)_(MS|S|BYTES|MB|CHARS)$|^(max|min)_(bytes|entries)$/;
  const wrong = product.flatMap((file) => {
    const names = namesOf(file).filter((name) => !NAMES_OF_OTHERS.test(name));
    return names.filter((name) => turned.test(name)).map((name) => `${file.path}: ${name}`);
  });
  expect(wrong).toEqual([]);
});

it("no any, no swallowed error, no ignored type error", () => {
  expect(found(product, /\bas any\b|: any\b|<any>|any\[\]/)).toEqual([]);
  expect(found(product, /catch\s*(\([^)]*\))?\s*\{\s*\}/)).toEqual([]);
  expect(found(product, /catch\s*\{/)).toEqual([]);
  expect(found(product, /@ts-(ignore|expect-error|nocheck)/)).toEqual([]);
});

it("packages are loaded lazily only through a source of ours", () => {
  // In a bundle, a CommonJS package that is imported by a call has no names but `default`.
  const shipped = product.filter((file) => {
    return !/^(test|bench|labs|scripts|examples)\/|\.test\.ts$|\/build\.ts$/.test(file.path);
  });
  expect(found(shipped, /\bimport\("(?!\.|@raft2kube\/|node:)/)).toEqual([]);
});

it("nothing is left undone, skipped or alone", () => {
  expect(found(product, /\b(TODO|FIXME|XXX)\b/)).toEqual([]);
  expect(found(product, /\b(it|test|describe)\.(skip|only|todo)\b/)).toEqual([]);
});

it("tests wait for conditions instead of sleeping", () => {
  const tests = product.filter((file) => file.path.endsWith(".test.ts"));
  expect(found(tests, /setTimeout\(\s*(r|resolve|done)\b|timers\/promises/)).toEqual([]);
});

it("base/std and store/core do no I/O and read no clock", () => {
  // The system clock and generator live in base/std behind interfaces; nothing else may name them.
  const cores = pure.filter((file) => !/^base\/std\/(clock|random)\.ts$/.test(file.path));
  const forbidden =
    /\bDate\.now\b|\bMath\.random\b|\bsetTimeout\b|\bsetInterval\b|performance\.now/;
  expect(found(cores, forbidden)).toEqual([]);
  expect(found(pure, /from "node:(fs|net|http|https|child_process|dgram|worker_threads)/)).toEqual(
    [],
  );
});

it("time is read from a clock that was an argument", () => {
  // Names a folder, and begins a log before there is a clock.
  const names = ["kubelet/volumes/atomic-writer.ts", "cli/supervisor/supervise.ts"];
  const tests = /^(test|bench|labs|scripts|testing\/apiserver)\/|\/testing\/|\.test\.ts$/;
  const apart = new RegExp(`${tests.source}|^base/std/clock\\.ts$`);
  const readers = product.filter(({ path }) => !apart.test(path) && !names.includes(path));
  const forbidden = /\bDate\.now\(|\bperformance\.now\(|\bprocess\.hrtime\b|\bnew Date\(\)/;
  expect(found(readers, forbidden)).toEqual([]);
});

it("errors have a type: no bare Error in the product", () => {
  const typed = product.filter(({ path }) => !APART.test(path) && path !== "base/std/errors.ts");
  expect(found(typed, /(?<!\w)(new Error|throw Error)\(/)).toEqual([]);
});

it("programs are started without a shell", () => {
  expect(found(product, /(?<!runtime\.)\bexecSync\(|\bshell:\s*true/)).toEqual([]);
});
