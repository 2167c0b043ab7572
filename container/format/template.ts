import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { TEMPLATE_CHARACTERS } from "../limits.ts";
import { FUNCTIONS, field, isTrue, show } from "./template-functions.ts";

/** The value that is looked at, and the variables by name, which inner blocks share. */
type Scope = { dot: unknown; variables: Map<string, { value: unknown }> };
type Value = (scope: Scope) => unknown;
type Text = (scope: Scope) => string;

const bad = (why: string) =>
  new RuntimeError("invalid-argument", `--format: ${why}`, {
    remedy: "Go's text/template, less define and template, with docker's functions",
  });

const WORD =
  /"(?:[^"\\]|\\.)*"|`[^`]*`|\(|\)(?:\.\w+)*|:=|[=|,]|(?:\$?\w*)(?:\.\w+)+|[^\s()"`,|=:]+|:/g;

/** Templates of Go's text/template: an action, then the text up to the next, in turns. */
class Parser {
  readonly #parts: string[];
  #at = 0;

  constructor(source: string) {
    if (source.length > TEMPLATE_CHARACTERS) throw bad("it is too long");
    this.#parts = source.split(/\{\{(.*?)\}\}/s).map((part, at, parts) => {
      if (at % 2 !== 0) return part.replace(/^-(?=\s)|(?<=\s)-$/g, "").trim();
      const plain = part.replaceAll("\\t", "\t").replaceAll("\\n", "\n");
      const after = /^-\s/.test(parts[at + 1] ?? "") ? plain.trimEnd() : plain;
      return /\s-$/.test(parts[at - 1] ?? "") ? after.trimStart() : after;
    });
  }

  whole(): Text {
    const { text, end } = this.#block();
    if (end !== undefined) throw bad(`{{${end.join(" ")}}} has no beginning`);
    return text;
  }

  /** Reads up to the end, or to the `end` or `else` of a block, which is returned. */
  #block(): { text: Text; end: string[] | undefined } {
    const texts: Text[] = [];
    const text: Text = (scope) => {
      // Variables that are declared here are known from here on.
      const inner = { ...scope, variables: new Map(scope.variables) };
      return texts.map((each) => each(inner)).join("");
    };
    for (; this.#at < this.#parts.length; this.#at++) {
      const part = this.#parts[this.#at]!;
      if (this.#at % 2 === 0) {
        if (part !== "") texts.push(() => part);
        continue;
      }
      if (part.startsWith("/*")) continue;
      const words = part.match(WORD) ?? [];
      const [first = ""] = words;
      if (first === "end" || first === "else") return { text, end: words };
      if (first === "if" || first === "range" || first === "with") texts.push(this.#control(words));
      else texts.push(action(words));
    }
    return { text, end: undefined };
  }

  #control([kind = "", ...words]: string[]): Text {
    this.#at++;
    const body = this.#block();
    const otherwise = this.#otherwise(body.end);
    const { names, value } = declaration(words);
    return (scope) => {
      const found = value(scope);
      if (!isTrue(found)) return otherwise(scope);
      const run = (dot: unknown, ...values: unknown[]) => {
        const own = names.map((name, at) => [name, { value: values[at] }] as const);
        return body.text({ dot, variables: new Map([...scope.variables, ...own]) });
      };
      if (kind === "if") return run(scope.dot, found);
      if (kind === "with") return run(found, found);
      const keys = Object.keys(found as object);
      const sorted = Array.isArray(found) ? keys.map(Number) : keys.sort();
      return sorted
        .map((key) => {
          const item = (found as Record<string | number, unknown>)[key];
          return names.length === 1 ? run(item, item) : run(item, key, item);
        })
        .join("");
    };
  }

  #otherwise(end: string[] | undefined): Text {
    if (end === undefined) throw bad("an {{end}} is missing");
    if (end[0] === "end") return () => "";
    if (end.length > 1) return this.#control(end.slice(1));
    this.#at++;
    const { text, end: last } = this.#block();
    if (last?.[0] !== "end") throw bad("an {{end}} is missing");
    return text;
  }
}

/** The variables before `:=`, and the pipeline after it. */
function declaration(words: readonly string[]): { names: string[]; value: Value } {
  const at = words.indexOf(":=");
  const names = words.slice(0, Math.max(at, 0)).filter((word) => word !== ",");
  const wrong = names.find((name) => !/^\$\w+$/.test(name));
  if (wrong !== undefined) throw bad(`${wrong} is no variable`);
  return { names, value: whole(words.slice(at + 1)) };
}

function action(words: readonly string[]): Text {
  const [name = "", sign] = words;
  const { names, value } =
    sign === "=" ? { names: [], value: whole(words.slice(2)) } : declaration(words);
  return (scope) => {
    const found = value(scope);
    if (sign === "=") boxOf(scope, name).value = found;
    else if (names.length === 0) return show(found);
    else scope.variables.set(names[0]!, { value: found });
    return "";
  };
}

function boxOf({ variables }: Scope, name: string): { value: unknown } {
  const found = variables.get(name);
  if (found) return found;
  throw bad(`there is no variable ${name}`);
}

/** A pipeline of all these words. */
function whole(words: string[]): Value {
  const value = pipeline(words);
  if (words.length > 0) throw bad(`${words[0]} has no beginning`);
  return value;
}

/** Takes commands between bars off words: the value of one is the last argument of the next. */
function pipeline(words: string[]): Value {
  let value = command(words);
  for (; words[0] === "|"; value = command(words, value)) words.shift();
  return value;
}

function command(words: string[], last?: Value): Value {
  const [name = ""] = words;
  const isEither = name === "and" || name === "or";
  const call = Object.hasOwn(FUNCTIONS, name)
    ? FUNCTIONS[name]!
    : (values: unknown[]) => valueOf(name, values);
  if (isEither || Object.hasOwn(FUNCTIONS, name)) words.shift();
  else if (/^(\||\).*|)$/.test(name)) throw bad("an action is empty");
  const operands: Value[] = [];
  while (words.length > 0 && !/^(\||\).*)$/.test(words[0]!)) operands.push(operand(words));
  if (last) operands.push(last);
  return (scope) => {
    if (!isEither) return call(operands.map((each) => each(scope)));
    // The operands after the one that decides are not evaluated.
    let value: unknown;
    for (const each of operands) if (isTrue((value = each(scope))) === (name === "or")) break;
    return value;
  };
}

/** A field's value, or what it returns for arguments, as a label. */
function valueOf(name: string, [value, ...args]: unknown[]): unknown {
  if (typeof value === "function") return (value as (...given: unknown[]) => unknown)(...args);
  if (args.length > 0) throw bad(`${name} is no function`);
  return value;
}

function stringOf(word: string): unknown {
  try {
    return JSON.parse(word);
  } catch (thrown) {
    throw bad(`${word}: ${messageOf(thrown)}`);
  }
}

/** Takes an operand off words. */
function operand(words: string[]): Value {
  const word = words.shift()!;
  if (word === "(") {
    const inner = pipeline(words);
    const end = words.shift();
    if (end === undefined) throw bad("a ( is not closed");
    return (scope) => end.split(".").slice(1).reduce(field, inner(scope));
  }
  if (word.startsWith('"')) {
    const value = stringOf(word);
    return () => value;
  }
  if (word.startsWith("`")) return () => word.slice(1, -1);
  if (/^-?\d+(\.\d+)?$/.test(word)) return () => Number(word);
  if (word === "true" || word === "false") return () => word === "true";
  if (word === "nil") return () => undefined;
  const [start = "", ...names] = word.split(".");
  const fields = names.filter(Boolean);
  if (start.startsWith("$")) return (scope) => fields.reduce(field, boxOf(scope, start).value);
  if (start !== "") throw bad(`there is no function ${JSON.stringify(word)}`);
  return (scope) => fields.reduce(field, scope.dot);
}

/** Returns what prints a value by a template; throws for one that is malformed. */
export function template(source: string): (value: unknown) => string {
  const text = new Parser(source).whole();
  return (dot) => text({ dot, variables: new Map([["$", { value: dot }]]) });
}
