import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { EXPANDED_BYTES } from "../limits.ts";
import { partFinder } from "./wildcard.ts";

/** Variables that are known at an instruction. */
export type Variables = ReadonlyMap<string, string>;

const NAME = /^[A-Za-z_][A-Za-z0-9_]*/;

/** Text that is read from its beginning to its end, as BuildKit's shell lexer does. */
class Reader {
  readonly #text: string;
  readonly #variables: Variables;
  readonly #escape: string;
  #at = 0;
  #size = 0;

  constructor(text: string, variables: Variables, escape: string) {
    this.#text = text;
    this.#variables = variables;
    this.#escape = escape;
  }

  /** Reads up to the end, or to an unquoted `stop`. Words are split where `splits`. */
  words(splits: boolean, stop?: string): string[] {
    const words: string[] = [];
    let word: string | undefined;
    const add = (text: string) => {
      this.#size += text.length;
      if (this.#size > EXPANDED_BYTES) throw tooLong();
      word = (word ?? "") + text;
    };
    while (this.#at < this.#text.length) {
      const char = this.#text[this.#at]!;
      if (char === stop) break;
      this.#at++;
      if (splits && /\s/.test(char)) {
        if (word !== undefined) words.push(word);
        word = undefined;
      } else if (char === "'") add(this.#single());
      else if (char === '"') add(this.#double());
      else if (char === this.#escape) add(this.#text[this.#at++] ?? char);
      else if (char === "$") add(this.#variable());
      else add(char);
    }
    if (word !== undefined) words.push(word);
    return words;
  }

  #single(): string {
    const end = this.#text.indexOf("'", this.#at);
    if (end < 0) throw unclosed("'");
    const inner = this.#text.slice(this.#at, end);
    this.#at = end + 1;
    return inner;
  }

  #double(): string {
    let inner = "";
    for (; this.#at < this.#text.length; ) {
      const char = this.#text[this.#at++]!;
      if (char === '"') return inner;
      if (char === "$") inner += this.#variable();
      else if (char === this.#escape) {
        const next = this.#text[this.#at] ?? "";
        if ('"$'.includes(next) || next === this.#escape) this.#at++;
        inner += '"$'.includes(next) || next === this.#escape ? next : char;
      } else inner += char;
    }
    throw unclosed('"');
  }

  #variable(): string {
    if (this.#text[this.#at] !== "{") {
      const [name] = NAME.exec(this.#text.slice(this.#at)) ?? [];
      if (name === undefined) return "$";
      this.#at += name.length;
      return this.#variables.get(name) ?? "";
    }
    this.#at++;
    const [name] = NAME.exec(this.#text.slice(this.#at)) ?? [];
    if (name === undefined) throw new RuntimeError("invalid-argument", "${ without a name");
    this.#at += name.length;
    const [modifier = ""] = /^:?[-+?]|^##?|^%%?|^\/\/?/.exec(this.#text.slice(this.#at)) ?? [];
    this.#at += modifier.length;
    const isReplacing = modifier.startsWith("/");
    const word = this.words(false, isReplacing ? "/" : "}").join("");
    if (isReplacing) this.#at++;
    const by = isReplacing ? this.words(false, "}").join("") : "";
    if (this.#text[this.#at] !== "}") throw unclosed("${");
    this.#at++;
    const value = this.#variables.get(name);
    if (isReplacing) return replaced(value ?? "", word, by, { all: modifier === "//" });
    return modified(value, name, modifier, word);
  }
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
  return new Reader(text, variables, escape).words(false).join("");
}

/** The words of a text, each expanded; a variable's value is never split. */
export function expandWords(text: string, variables: Variables, escape = "\\"): string[] {
  return new Reader(text, variables, escape).words(true);
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
