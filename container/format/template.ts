import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { TEMPLATE_CHARACTERS } from "../limits.ts";
import { FUNCTIONS, field, isTrue, show } from "./template-functions.ts";

/** The value that is looked at, and the variables by name, which inner blocks share. */
type Scope = { dot: unknown; variables: ReadonlyMap<string, { value: unknown }> };
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
  return { names, value: pipeline(words.slice(at + 1)) };
}

function action(words: readonly string[]): Text {
  const [name = "", sign] = words;
  if (sign === "=") {
    const value = pipeline(words.slice(2));
    return (scope) => {
      boxOf(scope, name).value = value(scope);
      return "";
    };
  }
  const { names, value } = declaration(words);
  if (names.length === 0) return (scope) => show(value(scope));
  return (scope) => {
    const known = scope.variables as Map<string, { value: unknown }>;
    known.set(names[0]!, { value: value(scope) });
    return "";
  };
}

function boxOf({ variables }: Scope, name: string): { value: unknown } {
  const found = variables.get(name);
  if (found) return found;
  throw bad(`there is no variable ${name}`);
}

/** Commands between bars: the value of one is the last argument of the next. */
function pipeline(words: readonly string[]): Value {
  const commands: string[][] = [[]];
  let depth = 0;
  for (const word of words) {
    if (word === "(") depth++;
    else if (word.startsWith(")")) depth--;
    if (word === "|" && depth === 0) commands.push([]);
    else commands.at(-1)!.push(word);
  }
  if (depth !== 0) throw bad("a ( is not closed, or a ) not opened");
  return commands.map(commandOf).reduce<Value>(
    (before, command, at) => {
      return (scope) => command(scope, at === 0 ? [] : [before(scope)]);
    },
    () => undefined,
  );
}

function commandOf(words: readonly string[]): (scope: Scope, last: unknown[]) => unknown {
  const [name = ""] = words;
  if (name === "") throw bad("an action is empty");
  const isFunction = Object.hasOwn(FUNCTIONS, name) || name === "and" || name === "or";
  const operands = operandsOf(isFunction ? words.slice(1) : words);
  if (name === "and" || name === "or") {
    // The operands after the one that decides are not evaluated.
    return (scope, last) => {
      const all = [...operands, ...last.map((value) => () => value)];
      let value: unknown;
      for (const each of all) if (isTrue((value = each(scope))) === (name === "or")) break;
      return value;
    };
  }
  return (scope, last) => {
    const values = [...operands.map((operand) => operand(scope)), ...last];
    if (isFunction) return FUNCTIONS[name]!(values);
    const [value, ...args] = values;
    if (typeof value === "function") return (value as (...given: unknown[]) => unknown)(...args);
    if (args.length > 0) throw bad(`${name} is no function`);
    return value;
  };
}

function operandsOf(words: readonly string[]): Value[] {
  const operands: Value[] = [];
  for (let at = 0; at < words.length; at++) {
    const start = at;
    for (let depth = 0; at < words.length; at++) {
      depth += words[at] === "(" ? 1 : words[at]!.startsWith(")") ? -1 : 0;
      if (depth === 0) break;
    }
    if (start === at) operands.push(operandOf(words[at]!));
    else {
      const inner = pipeline(words.slice(start + 1, at));
      const fields = words[at]!.split(".").slice(1);
      operands.push((scope) => fields.reduce(field, inner(scope)));
    }
  }
  return operands;
}

function stringOf(word: string): unknown {
  try {
    return JSON.parse(word);
  } catch (thrown) {
    throw bad(`${word}: ${messageOf(thrown)}`);
  }
}

function operandOf(word: string): Value {
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
