import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { EXPANDED_BYTES } from "../limits.ts";
import { partFinder } from "./wildcard.ts";

/** Variables that are known at an instruction. */
export type Variables = ReadonlyMap<string, string>;

const NAME = /^[A-Za-z_][A-Za-z0-9_]*/;

/** A text that is read as BuildKit's shell lexer does, and how far: `size` is what it gave. */
type Reading = { text: string; at: number; size: number; variables: Variables };

/** Reads up to the end, or to an unquoted `stop`. Words are split where `splits`. */
function words(from: Reading, { splits = false, stop }: { splits?: boolean; stop?: string }) {
  const found: string[] = [];
  let word: string | undefined;
  const add = (piece: string) => {
    from.size += piece.length;
    if (from.size > EXPANDED_BYTES) throw tooLong();
    word = (word ?? "") + piece;
  };
  while (from.at < from.text.length) {
    const char = from.text[from.at]!;
    if (char === stop) break;
    from.at++;
    if (splits && /\s/.test(char)) {
      if (word !== undefined) found.push(word);
      word = undefined;
    } else if (char === "'") add(single(from));
    else if (char === '"') add(double(from));
    else if (char === "\\") add(from.text[from.at++] ?? char);
    else if (char === "$") add(variable(from));
    else add(char);
  }
  if (word !== undefined) found.push(word);
  return found;
}

/** Takes what a pattern that is anchored at the start matches. */
function take(from: Reading, pattern: RegExp): string | undefined {
  const [found] = pattern.exec(from.text.slice(from.at)) ?? [];
  from.at += found?.length ?? 0;
  return found;
}

function single(from: Reading): string {
  const inner = take(from, /^[^']*/)!;
  if (from.text[from.at++] !== "'") throw unclosed("'");
  return inner;
}

function double(from: Reading): string {
  let inner = "";
  while (from.at < from.text.length) {
    const char = from.text[from.at++]!;
    if (char === '"') return inner;
    if (char === "$") inner += variable(from);
    else if (char !== "\\") inner += char;
    else inner += ['"', "$", char].includes(from.text[from.at]!) ? from.text[from.at++]! : char;
  }
  throw unclosed('"');
}

function variable(from: Reading): string {
  const { variables, text } = from;
  const isBraced = text[from.at] === "{";
  if (isBraced) from.at++;
  const name = take(from, NAME);
  if (!isBraced) return name === undefined ? "$" : (variables.get(name) ?? "");
  if (name === undefined) throw new RuntimeError("invalid-argument", "${ without a name");
  const modifier = take(from, /^:?[-+?]|^##?|^%%?|^\/\/?/) ?? "";
  const isReplacing = modifier.startsWith("/");
  const word = words(from, { stop: isReplacing ? "/" : "}" }).join("");
  if (isReplacing) from.at++;
  const by = isReplacing ? words(from, { stop: "}" }).join("") : "";
  if (text[from.at++] !== "}") throw unclosed("${");
  const value = variables.get(name);
  if (isReplacing) return replaced(value ?? "", word, by, { all: modifier === "//" });
  return modified(value, name, modifier, word);
}

const tooLong = () =>
  new RuntimeError("resource-exhausted", `values of over ${EXPANDED_BYTES} bytes`);

function unclosed(what: string): RuntimeError {
  return new RuntimeError("invalid-argument", `${what} is not closed`);
}

function modified(value: string | undefined, name: string, modifier: string, word: string): string {
  const isSet = modifier.startsWith(":") ? Boolean(value) : value !== undefined;
  switch (modifier.at(-1)) {
    case undefined:
      if (word === "") return value ?? "";
      throw new RuntimeError("invalid-argument", `\${${name}${word}} is not supported`);
    case "-":
      return isSet ? value! : word;
    case "+":
      return isSet ? word : "";
    case "?":
      if (isSet) return value!;
      throw new RuntimeError("invalid-argument", `${name}: ${word || "is not set"}`);
    default:
      return stripped(value ?? "", modifier, word);
  }
}

/** Replaces the longest text that fits a pattern, at the first place where one does, or at all. */
function replaced(value: string, pattern: string, by: string, { all }: { all: boolean }): string {
  const found = partFinder(pattern, value, { longest: true });
  let made = "";
  let at = 0;
  while ((all || at === 0) && found.find()) {
    if (found.end() === found.start()) continue;
    made += value.slice(at, found.start()) + by;
    at = found.end();
    if (made.length > EXPANDED_BYTES) throw tooLong();
  }
  return made + value.slice(at);
}

/** `#` and `%` strip a pattern of `*` and `?` from the beginning or end; doubled, the longest. */
function stripped(value: string, modifier: string, pattern: string): string {
  const turned = (text: string) => (modifier.startsWith("#") ? text : [...text].reverse().join(""));
  const found = partFinder(turned(pattern), turned(value), { longest: modifier.length === 2 });
  return found.lookingAt() ? turned(turned(value).slice(found.end())) : value;
}

/** A text with its variables' values, its quotes taken away. */
export function expand(text: string, variables: Variables): string {
  return words({ text, at: 0, size: 0, variables }, {}).join("");
}

/** The words of a text, each expanded; a variable's value is never split. */
export function expandWords(text: string, variables: Variables): string[] {
  return words({ text, at: 0, size: 0, variables }, { splits: true });
}

/** `NAME=VALUE` pairs of ENV, LABEL and ARG; `ENV NAME VALUE` is the older form of one. */
export function expandPairs(text: string, variables: Variables): [string, string][] {
  const [first = ""] = /^\S+/.exec(text) ?? [];
  if (!first.includes("=")) {
    const name = expand(first, variables);
    return [[name, expand(text.slice(first.length).trim(), variables)]];
  }
  return expandWords(text, variables).map((word) => {
    const equals = word.indexOf("=");
    if (equals > 0) return [word.slice(0, equals), word.slice(equals + 1)];
    throw new RuntimeError("invalid-argument", `${JSON.stringify(word)} is not NAME=VALUE`);
  });
}
