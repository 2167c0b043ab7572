/** CEL's grammar: an expression's text becomes a tree. No evaluation. */
import { CEL_DEPTH_MAX } from "../limits.ts";
import { CelError, type LiteralType, tokensOf, type Token } from "./tokens.ts";

/** A tree; `at` is where it starts in the text. Operators are calls named by their sign. */
export type Expression =
  | { readonly is: "literal"; readonly type: LiteralType; readonly at: number }
  | { readonly is: "name"; readonly name: string; readonly at: number }
  | { readonly is: "select"; readonly of: Expression; readonly field: string; readonly at: number }
  | {
    readonly is: "call";
    readonly name: string;
    /** The receiver of a method. */
    readonly of?: Expression;
    readonly arguments: readonly Expression[];
    readonly at: number;
  }
  | { readonly is: "list"; readonly items: readonly Expression[]; readonly at: number }
  | {
    readonly is: "map";
    readonly entries: readonly (readonly [Expression, Expression])[];
    readonly at: number;
  }
  | {
    readonly is: "object";
    /** `Object.spec`, `JSONPatch`. */
    readonly type: string;
    readonly fields: readonly (readonly [string, Expression])[];
    readonly at: number;
  };

/** Operators of two sides, those that bind least first. */
const LEVELS: readonly (readonly string[])[] = [
  ["||"], ["&&"], ["==", "!=", "<", "<=", ">", ">=", "in"], ["+", "-"], ["*", "/", "%"],
];

const RESERVED = new Set([
  "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import", "let",
  "loop", "package", "namespace", "return", "var", "void", "while",
]);

/** Whether a text can name a variable. */
export function isCelName(text: string): boolean {
  return /^[_a-zA-Z][_a-zA-Z0-9]*$/.test(text) && !RESERVED.has(text) &&
    !["true", "false", "null"].includes(text);
}

/** The tree of an expression. Throws CelError where it breaks the grammar. */
export function parseCel(text: string): Expression {
  const parser = new Parser(tokensOf(text));
  const tree = parser.expression();
  parser.end();
  return tree;
}

class Parser {
  readonly #tokens: readonly Token[];
  #next = 0;
  #depth = 0;

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens;
  }

  end(): void {
    if (this.#token.is !== "end") this.#fail("expecting <EOF>");
  }

  /** A condition with its two outcomes, or what stands below it. */
  expression(): Expression {
    if (++this.#depth > CEL_DEPTH_MAX) this.#fail("expression recursion limit exceeded");
    const condition = this.#level(0);
    let tree = condition;
    if (this.#take("?")) {
      const then = this.#level(0);
      this.#expect(":");
      const otherwise = this.expression();
      tree = { is: "call", name: "?:", arguments: [condition, then, otherwise], at: condition.at };
    }
    this.#depth--;
    return tree;
  }

  #level(level: number): Expression {
    const signs = LEVELS[level];
    if (signs === undefined) return this.#unary();
    let left = this.#level(level + 1);
    for (let sign = this.#operator(signs); sign !== undefined; sign = this.#operator(signs)) {
      const right = this.#level(level + 1);
      left = { is: "call", name: sign, arguments: [left, right], at: left.at };
    }
    return left;
  }

  #operator(signs: readonly string[]): string | undefined {
    const { is, text } = this.#token;
    const found = (is === "sign" || text === "in") && signs.includes(text);
    if (found) this.#next++;
    return found ? text : undefined;
  }

  #unary(): Expression {
    const { at } = this.#token;
    const sign = this.#operator(["!", "-"]);
    if (sign === undefined) return this.#member(this.#primary());
    if (++this.#depth > CEL_DEPTH_MAX) this.#fail("expression recursion limit exceeded");
    const operand = this.#unary();
    this.#depth--;
    return { is: "call", name: sign, arguments: [operand], at };
  }

  #member(start: Expression): Expression {
    let tree = start;
    for (;;) {
      const { at } = this.#token;
      if (this.#take(".") || this.#take(".?")) {
        const field = this.#name();
        tree = this.#take("(")
          ? { is: "call", name: field, of: tree, arguments: this.#items(")"), at }
          : { is: "select", of: tree, field, at };
      } else if (this.#take("[") || this.#take("[?")) {
        const index = this.expression();
        this.#expect("]");
        tree = { is: "call", name: "[]", arguments: [tree, index], at };
      } else if (this.#token.text === "{" && typeNameOf(tree) !== undefined) {
        this.#next++;
        tree = { is: "object", type: typeNameOf(tree)!, fields: this.#fields(), at };
      } else return tree;
    }
  }

  #primary(): Expression {
    const token = this.#token;
    const { at, text } = token;
    if (token.is === "literal") {
      this.#next++;
      return { is: "literal", type: token.type, at };
    }
    if (token.is === "name" || text === ".") {
      if (text === ".") this.#next++;
      const name = this.#name();
      if (RESERVED.has(name)) throw new CelError(`Syntax error: reserved identifier: ${name}`, at);
      return this.#take("(") ? { is: "call", name, arguments: this.#items(")"), at }
        : { is: "name", name, at };
    }
    if (this.#take("(")) {
      const inner = this.expression();
      this.#expect(")");
      return inner;
    }
    if (this.#take("[")) return { is: "list", items: this.#items("]"), at };
    if (this.#take("{")) return { is: "map", entries: this.#entries(), at };
    return this.#fail("expecting an expression");
  }

  #items(close: string): Expression[] {
    const items: Expression[] = [];
    while (!this.#take(close)) {
      this.#take("?");
      items.push(this.expression());
      if (!this.#take(",") && this.#token.text !== close) this.#fail(`expecting '${close}'`);
    }
    return items;
  }

  #entries(): [Expression, Expression][] {
    const entries: [Expression, Expression][] = [];
    while (!this.#take("}")) {
      this.#take("?");
      const key = this.expression();
      this.#expect(":");
      entries.push([key, this.expression()]);
      if (!this.#take(",") && this.#token.text !== "}") this.#fail("expecting '}'");
    }
    return entries;
  }

  #fields(): [string, Expression][] {
    const fields: [string, Expression][] = [];
    while (!this.#take("}")) {
      this.#take("?");
      const field = this.#name();
      this.#expect(":");
      fields.push([field, this.expression()]);
      if (!this.#take(",") && this.#token.text !== "}") this.#fail("expecting '}'");
    }
    return fields;
  }

  get #token(): Token {
    return this.#tokens[this.#next]!;
  }

  #name(): string {
    const { is, text } = this.#token;
    if (is !== "name") this.#fail("expecting IDENTIFIER");
    this.#next++;
    return text;
  }

  #take(sign: string): boolean {
    const { is, text } = this.#token;
    if (is !== "sign" || text !== sign) return false;
    this.#next++;
    return true;
  }

  #expect(sign: string): void {
    if (!this.#take(sign)) this.#fail(`expecting '${sign}'`);
  }

  #fail(what: string): never {
    const { is, text, at } = this.#token;
    const shown = is === "end" ? "<EOF>" : text;
    throw new CelError(`Syntax error: mismatched input '${shown}' ${what}`, at);
  }
}

/** The dotted name of a type whose fields follow in braces; undefined for any other tree. */
function typeNameOf(tree: Expression): string | undefined {
  if (tree.is === "name") return tree.name;
  if (tree.is !== "select") return undefined;
  const outer = typeNameOf(tree.of);
  return outer === undefined ? undefined : `${outer}.${tree.field}`;
}
