import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { EXPANDED_BYTES } from "../limits.ts";
import { partFinder } from "./wildcard.ts";

/** Variables that are known at an instruction. */
export type Variables = ReadonlyMap<string, string>;

const NAME = /^[A-Za-z_][A-Za-z0-9_]*/;

/**
 * Reads a text as BuildKit's shell lexer does: its words with their variables' values, without
 * quotes. They are split where `splits`; else there is one at most.
 */
function lexed(text: string, variables: Variables, escape: string, splits: boolean): string[] {
  let at = 0;
  let size = 0;

  /** Reads up to the end, or to an unquoted `stop`. */
  function words(stop?: string): string[] {
    const found: string[] = [];
    let word: string | undefined;
    const add = (piece: string) => {
      size += piece.length;
      if (size > EXPANDED_BYTES) throw tooLong();
      word = (word ?? "") + piece;
    };
    while (at < text.length) {
      const char = text[at]!;
      if (char === stop) break;
      at++;
      if (splits && stop === undefined && /\s/.test(char)) {
        if (word !== undefined) found.push(word);
        word = undefined;
      } else if (char === "'") add(single());
      else if (char === '"') add(double());
      else if (char === escape) add(text[at++] ?? char);
      else if (char === "$") add(variable());
      else add(char);
    }
    if (word !== undefined) found.push(word);
    return found;
  }

  function single(): string {
    const end = text.indexOf("'", at);
    if (end < 0) throw unclosed("'");
    const inner = text.slice(at, end);
    at = end + 1;
    return inner;
  }

  function double(): string {
    let inner = "";
    while (at < text.length) {
      const char = text[at++]!;
      if (char === '"') return inner;
      if (char === "$") inner += variable();
      else if (char === escape && ['"', "$", escape].includes(text[at]!)) inner += text[at++]!;
      else inner += char;
    }
    throw unclosed('"');
  }

  function take(pattern: RegExp): string | undefined {
    const [found] = pattern.exec(text.slice(at)) ?? [];
    at += found?.length ?? 0;
    return found;
  }

  function variable(): string {
    const isBraced = text[at] === "{";
    if (isBraced) at++;
    const name = take(NAME);
    if (!isBraced) return name === undefined ? "$" : (variables.get(name) ?? "");
    if (name === undefined) throw new RuntimeError("invalid-argument", "${ without a name");
    const modifier = take(/^:?[-+?]|^##?|^%%?|^\/\/?/) ?? "";
    const isReplacing = modifier.startsWith("/");
    const word = words(isReplacing ? "/" : "}").join("");
    if (isReplacing) at++;
    const by = isReplacing ? words("}").join("") : "";
    if (text[at] !== "}") throw unclosed("${");
    at++;
    const value = variables.get(name);
    if (isReplacing) return replaced(value ?? "", word, by, { all: modifier === "//" });
    return modified(value, name, modifier, word);
  }

  return words();
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
export function expand(text: string, variables: Variables, escape = "\\"): string {
  return lexed(text, variables, escape, false).join("");
}

/** The words of a text, each expanded; a variable's value is never split. */
export function expandWords(text: string, variables: Variables, escape = "\\"): string[] {
  return lexed(text, variables, escape, true);
}

/** `NAME=VALUE` pairs of ENV, LABEL and ARG; `ENV NAME VALUE` is the older form of one. */
export function expandPairs(text: string, variables: Variables, escape = "\\"): [string, string][] {
  const [first = ""] = /^\S+/.exec(text) ?? [];
  if (!first.includes("=")) {
    const name = expand(first, variables, escape);
    return [[name, expand(text.slice(first.length).trim(), variables, escape)]];
  }
  return expandWords(text, variables, escape).map((word) => {
    const equals = word.indexOf("=");
    if (equals > 0) return [word.slice(0, equals), word.slice(equals + 1)];
    throw new RuntimeError("invalid-argument", `${JSON.stringify(word)} is not NAME=VALUE`);
  });
}
