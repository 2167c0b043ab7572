/**
 * Checks a CEL expression: its syntax, that its names exist, and its result type. Types are
 * inferred from literals, operators and declarations; all others are `dyn`.
 */
import { FUNCTIONS, LIBRARIES, MACROS, TYPES } from "./functions.ts";
import { type Expression, parseCel } from "./parse.ts";
import { CelError } from "./tokens.ts";
import type { CelScope, CelType } from "./types.ts";

const ORDERS = new Set(["<", "<=", ">", ">="]);
const ADDABLE = new Set<CelType>([
  "int", "uint", "double", "string", "bytes", "list", "duration", "timestamp",
]);

/** The type that an expression gives, or what is wrong with it. */
export function checkCel(
  text: string, scope: CelScope, results: readonly CelType[] = [],
): { readonly type: CelType } | { readonly complaint: string } {
  try {
    const type = typeOf(parseCel(text), scope);
    if (results.length === 0 || type === "dyn" || results.includes(type)) return { type };
    return { complaint: `must evaluate to ${results.map(shown).join(" or ")}` };
  } catch (thrown) {
    if (!(thrown instanceof CelError)) throw thrown;
    const place = `<input>:1:${thrown.at + 1}`;
    return { complaint: `compilation failed: ERROR: ${place}: ${thrown.message}` };
  }
}

function typeOf(tree: Expression, scope: CelScope): CelType {
  switch (tree.is) {
    case "literal":
      return tree.type;
    case "name":
      return typeOfName(tree.name, tree.at, scope);
    case "select":
      return typeOfField(tree, scope);
    case "list":
      for (const each of tree.items) typeOf(each, scope);
      return "list";
    case "map":
      for (const each of tree.entries.flat()) typeOf(each, scope);
      return "map";
    case "object":
      typeOfName(tree.type.split(".")[0]!, tree.at, scope);
      for (const [, value] of tree.fields) typeOf(value, scope);
      return "dyn";
    case "call":
      return typeOfCall(tree, scope);
    default:
      return tree satisfies never;
  }
}

function typeOfName(name: string, at: number, scope: CelScope): CelType {
  if (Object.hasOwn(scope, name)) return scope[name]!;
  if (TYPES.has(name)) return "type";
  throw new CelError(`undeclared reference to '${name}' (in container '')`, at);
}

function typeOfField(tree: Expression & { is: "select" }, scope: CelScope): CelType {
  const of = typeOf(tree.of, scope);
  if (of === "dyn" || of === "map") return "dyn";
  if (typeof of === "object") {
    if (Object.hasOwn(of.fields, tree.field)) return of.fields[tree.field]!;
    throw new CelError(`undefined field '${tree.field}'`, tree.at);
  }
  throw new CelError(`type '${shown(of)}' does not support field selection`, tree.at);
}

type Call = Expression & { is: "call" };

function typeOfCall(tree: Call, scope: CelScope): CelType {
  const operator = typeOfOperator(tree, scope);
  if (operator !== undefined) return operator;
  const { name, of, at } = tree;
  const library = of?.is === "name" && LIBRARIES.has(of.name) && !Object.hasOwn(scope, of.name);
  const receiver = of === undefined || library ? undefined : typeOf(of, scope);
  const result = FUNCTIONS.get(name);
  if (result === undefined) {
    throw new CelError(`undeclared reference to '${name}' (in container '')`, at);
  }
  if (name === "has" && tree.arguments[0]?.is !== "select") {
    throw new CelError("invalid argument to has() macro", at);
  }
  const bound = MACROS.has(name) ? { ...scope, ...boundBy(tree) } : scope;
  tree.arguments.slice(MACROS.has(name) ? boundNames(tree).length : 0)
    .forEach((each) => typeOf(each, bound));
  // Overloads of one name that differ in their receiver.
  return name === "reverse" && receiver === "list" ? "list" : library ? "dyn" : result;
}

/** The variables that a macro's first arguments name. */
function boundNames({ name, arguments: list }: Call): string[] {
  const most = name.startsWith("transform") ? 2 : 1;
  const names = list.slice(0, Math.min(most, list.length - 1));
  return names.flatMap((each) => each.is === "name" ? [each.name] : []);
}

function boundBy(tree: Call): CelScope {
  return Object.fromEntries(boundNames(tree).map((each) => [each, "dyn"]));
}

/** The type of an operator's outcome; undefined for functions. */
function typeOfOperator(tree: Call, scope: CelScope): CelType | undefined {
  if (/^\w+$/.test(tree.name) && tree.name !== "in") return undefined;
  const sides = tree.arguments.map((each) => typeOf(each, scope));
  const [left = "dyn", right = "dyn", third = "dyn"] = sides;
  const fail = (): never => {
    const types = sides.map(shown).join(", ");
    throw new CelError(
      `found no matching overload for '_${tree.name}_' applied to '(${types})'`, tree.at);
  };
  switch (tree.name) {
    case "?:":
      if (!fits(left, "bool")) fail();
      return same(right, third) ? right : "dyn";
    case "&&":
    case "||":
      return fits(left, "bool") && fits(right, "bool") ? "bool" : fail();
    case "!":
      return fits(left, "bool") ? "bool" : fail();
    case "[]":
      return left === "dyn" || left === "list" || left === "map" || typeof left === "object"
        ? "dyn" : fail();
    case "in":
      return right === "dyn" || right === "list" || right === "map" ? "bool" : fail();
    case "==":
    case "!=":
      return comparable(left, right) ? "bool" : fail();
    default:
      if (ORDERS.has(tree.name)) return comparable(left, right) ? "bool" : fail();
      return arithmetic(tree, left, right) ?? fail();
  }
}

function arithmetic(tree: Call, left: CelType, right: CelType): CelType | undefined {
  if (tree.arguments.length === 1) {
    return fits(left, "int") || left === "double" || left === "duration" ? left : undefined;
  }
  if (left === "dyn" || right === "dyn") return "dyn";
  if (left === "timestamp" || right === "timestamp" || left === "duration") return "dyn";
  if (left !== right || !ADDABLE.has(left)) return undefined;
  const number = left === "int" || left === "uint" || left === "double";
  return tree.name === "+" || number ? left : undefined;
}

function fits(type: CelType, wanted: CelType): boolean {
  return type === "dyn" || type === wanted;
}

function same(a: CelType, b: CelType): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/** Numbers of two types compare; all else only with its own kind, and anything with null. */
function comparable(a: CelType, b: CelType): boolean {
  const number = (each: CelType): boolean =>
    each === "int" || each === "uint" || each === "double";
  if (a === "dyn" || b === "dyn" || same(a, b)) return true;
  return (number(a) && number(b)) || typeof a === "object" || typeof b === "object";
}

function shown(type: CelType): string {
  return typeof type === "object" ? "object" : type;
}
