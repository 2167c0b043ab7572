import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { TEMPLATE_CHARACTERS } from "../limits.ts";

/** A part of a template of Go's text/template, the words that docker's users write. */
type Node =
  | { kind: "text"; text: string }
  | { kind: "value"; words: string[] }
  | { kind: "if" | "range" | "with"; words: string[]; body: Node[]; otherwise: Node[] };

const bad = (why: string) =>
  new RuntimeError("invalid-argument", `--format: ${why}`, {
    remedy: "fields, json, range, if, with, index, join, len, upper, lower, println, table",
  });

const WORD = /"(?:[^"\\]|\\.)*"|`[^`]*`|\(|\)|[^\s()"`]+/g;

function parse(text: string): Node[] {
  if (text.length > TEMPLATE_CHARACTERS) throw bad("it is too long");
  const parts = text.split(/\{\{-?\s*(.*?)\s*-?\}\}/s);
  let at = 0;
  const body = (isInner: boolean): { nodes: Node[]; end: string } => {
    const nodes: Node[] = [];
    for (; at < parts.length; at++) {
      const part = parts[at]!;
      if (at % 2 === 0) {
        if (part !== "") nodes.push({ kind: "text", text: part });
        continue;
      }
      const words = part.match(WORD) ?? [];
      const [first = ""] = words;
      if (first === "end" || first === "else") {
        if (!isInner) throw bad(`{{${first}}} has no beginning`);
        return { nodes, end: first };
      }
      if (first !== "if" && first !== "range" && first !== "with") {
        nodes.push({ kind: "value", words });
        continue;
      }
      at++;
      const inner = body(true);
      let otherwise: Node[] = [];
      if (inner.end === "else") {
        at++;
        otherwise = body(true).nodes;
      }
      nodes.push({ kind: first, words: words.slice(1), body: inner.nodes, otherwise });
    }
    if (isInner) throw bad("an {{end}} is missing");
    return { nodes, end: "" };
  };
  return body(false).nodes;
}

function field(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null) return undefined;
  if (Object.hasOwn(value, name)) return (value as Record<string, unknown>)[name];
  throw bad(`there is no field .${name}`);
}

function show(value: unknown): string {
  if (value === undefined || value === null) return "<no value>";
  if (Array.isArray(value)) return `[${value.map(show).join(" ")}]`;
  if (typeof value === "object") {
    const pairs = Object.entries(value).map(([key, inner]) => `${key}:${show(inner)}`);
    return `map[${pairs.join(" ")}]`;
  }
  return String(value);
}

const text = (value: unknown) => (typeof value === "string" ? value : show(value));

const FUNCTIONS: Readonly<Record<string, (args: unknown[]) => unknown>> = {
  json: ([value]) => JSON.stringify(value ?? null),
  upper: ([value]) => text(value).toUpperCase(),
  lower: ([value]) => text(value).toLowerCase(),
  len: ([value]) =>
    typeof value === "string" || Array.isArray(value)
      ? value.length
      : Object.keys(value ?? {}).length,
  join: ([list, by]) => (Array.isArray(list) ? list.map(text).join(text(by)) : text(list)),
  split: ([value, by]) => text(value).split(text(by)),
  println: (args) => `${args.map(text).join(" ")}\n`,
  print: (args) => args.map(text).join(""),
  index: ([value, ...keys]) =>
    keys.reduce<unknown>((at, key) => {
      const record = at as Record<string, unknown> | undefined;
      return record && Object.hasOwn(record, String(key)) ? record[String(key)] : undefined;
    }, value),
  eq: ([a, b]) => a === b,
  ne: ([a, b]) => a !== b,
  not: ([value]) => !isTrue(value),
};

function isTrue(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === "object" && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}

/** The value of `words`: a pipeline of fields, literals and functions. */
function evaluate(words: readonly string[], dot: unknown, root: unknown): unknown {
  const bar = words.lastIndexOf("|");
  if (bar >= 0) {
    const value = evaluate(words.slice(0, bar), dot, root);
    return call(words.slice(bar + 1), dot, root, [value]);
  }
  return call(words, dot, root, []);
}

function call(words: readonly string[], dot: unknown, root: unknown, last: unknown[]): unknown {
  const args: unknown[] = [];
  const [name = "", ...rest] = words;
  const isFunction = Object.hasOwn(FUNCTIONS, name);
  const operands = isFunction ? rest : words;
  for (let at = 0; at < operands.length; at++) {
    const word = operands[at]!;
    if (word !== "(") {
      args.push(operand(word, dot, root));
      continue;
    }
    let depth = 1;
    const start = at + 1;
    while (depth > 0 && ++at < operands.length) {
      depth += operands[at] === "(" ? 1 : operands[at] === ")" ? -1 : 0;
    }
    args.push(evaluate(operands.slice(start, at), dot, root));
  }
  args.push(...last);
  return isFunction ? FUNCTIONS[name]!(args) : args[0];
}

function operand(word: string, dot: unknown, root: unknown): unknown {
  if (word.startsWith('"')) return JSON.parse(word) as unknown;
  if (word.startsWith("`")) return word.slice(1, -1);
  if (/^-?\d+$/.test(word)) return Number(word);
  if (word === "true" || word === "false") return word === "true";
  const [start, ...names] = word.split(".");
  if (start !== "" && start !== "$") throw bad(`there is no function ${JSON.stringify(word)}`);
  return names.filter(Boolean).reduce(field, start === "$" ? root : dot);
}

function render(nodes: readonly Node[], dot: unknown, root: unknown): string {
  return nodes
    .map((node) => {
      if (node.kind === "text") return node.text;
      const value = evaluate(node.words, dot, root);
      if (node.kind === "value") return show(value);
      if (!isTrue(value)) return render(node.otherwise, dot, root);
      if (node.kind === "if") return render(node.body, dot, root);
      if (node.kind === "with") return render(node.body, value, root);
      const items = Array.isArray(value) ? value : Object.values(value as object);
      return items.map((item) => render(node.body, item, root)).join("");
    })
    .join("");
}

/** Returns what prints a value by a template; throws for one that is malformed. */
export function template(source: string): (value: unknown) => string {
  const nodes = parse(source.replaceAll("\\t", "\t").replaceAll("\\n", "\n"));
  return (value) => render(nodes, value, value);
}
