/** CEL's grammar by recursive descent. Source: cel-go's CEL.g4; macros are expanded on the way. */
import type { Entry, Expr, FieldInit, Macro } from "./ast.ts";
import type { CompileBudget } from "./budget.ts";
import { RESERVED } from "./field-names.ts";
import { type Issues, ParseError } from "./issues.ts";
import { type Token, tokensOf, unquote } from "./lexer.ts";
import { EXPRESSION_LENGTH_MAX, RULE_DEPTH_MAX } from "./limits.ts";
import { NodeIds, NodeMaker } from "./maker.ts";

export interface ParserOptions {
  readonly macros: ReadonlyMap<string, Macro>;
  /** Whether fields may be quoted by backticks. */
  readonly escapedFields: boolean;
  /** Whether `.?`, `[?` and `{?` are allowed: when optionals are. */
  readonly optionals: boolean;
  readonly budget: CompileBudget;
}

/** Parses a text. Characters of no token are issues; throws ParseError at the first other error. */
export function parse(text: string, options: ParserOptions, issues: Issues): Expr {
  const size = [...text].length;
  if (size > EXPRESSION_LENGTH_MAX) {
    const limit = `size: ${size}, limit ${EXPRESSION_LENGTH_MAX}`;
    throw new ParseError(`expression code point size exceeds limit: ${limit}`, undefined);
  }
  return new Parser(tokensOf(text, issues), options).parse();
}

/** The key by which a macro is found. */
export function macroKey(name: string, arity: number, member: boolean): string {
  return `${name}:${arity}:${member}`;
}

const RELATIONS = new Set(["<", "<=", ">=", ">", "==", "!=", "in"]);
const OPERAND =
  "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', " +
  "NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";
/** Signs that may follow an operand. */
const AFTER = /^(?:[<>=!]=|[<>]|&&|\|\||in|[)\]}.,?:+\-*/%[])$/;
const INT_MAX = (1n << 63n) - 1n;
const UINT_MAX = (1n << 64n) - 1n;

type Rule = "expr" | "relation" | "calc" | "member";

class Parser {
  readonly #tokens: readonly Token[];
  readonly #options: ParserOptions;
  readonly #ids: NodeIds;
  readonly #depth: Record<Rule, number> = { expr: 0, relation: 0, calc: 0, member: 0 };
  #index = 0;

  constructor(tokens: readonly Token[], options: ParserOptions) {
    this.#ids = new NodeIds(options.budget);
    this.#tokens = tokens;
    this.#options = options;
  }

  parse(): Expr {
    const expr = this.#expr();
    if (this.#token.kind === "end") return expr;
    return this.#unexpected("<EOF>", (token) => token.kind === "end");
  }

  get #token(): Token {
    return this.#tokens[this.#index]!;
  }

  get #id(): number {
    return this.#ids.next();
  }

  #next(): Token {
    const token = this.#token;
    this.#index = Math.min(this.#index + 1, this.#tokens.length - 1);
    return token;
  }

  #is(text: string, ahead = 0): boolean {
    const token = this.#tokens[this.#index + ahead];
    return token?.kind === "sign" && token.text === text;
  }

  #accept(text: string): Token | undefined {
    return this.#is(text) ? this.#next() : undefined;
  }

  #expect(text: string): Token {
    const found = this.#accept(text);
    if (found !== undefined) return found;
    const { kind, text: actual } = this.#token;
    const follows = kind === "end" || (kind === "sign" && AFTER.test(actual));
    if (follows && /^[)\]}]$/.test(text)) this.#fail(`missing '${text}' at '${actual}'`);
    return this.#unexpected(`'${text}'`, (token) => token.kind === "sign" && token.text === text);
  }

  /** Fails: as extraneous if the token after the present one fits, as ANTLR does. */
  #unexpected(expected: string, fits: (token: Token) => boolean): never {
    const after = this.#tokens[this.#index + 1];
    const kind = after !== undefined && fits(after) ? "extraneous" : "mismatched";
    return this.#fail(`${kind} input '${this.#token.text}' expecting ${expected}`);
  }

  #identifier(): Token {
    if (this.#token.kind === "ident") return this.#next();
    const { kind, text } = this.#token;
    if (/^(?:true|false|null)$/.test(text)) {
      this.#fail(`mismatched input '${text}' expecting IDENTIFIER`);
    }
    return this.#fail(`no viable alternative at input '.${kind === "end" ? "" : text}'`);
  }

  #fail(message: string): never {
    throw new ParseError(`Syntax error: ${message}`, this.#token.at);
  }

  #enter(rule: Rule): void {
    if (++this.#depth[rule] <= RULE_DEPTH_MAX) return;
    throw new ParseError(`expression recursion limit exceeded: ${RULE_DEPTH_MAX}`, undefined);
  }

  #call(at: Token, name: string, ...args: Expr[]): Expr {
    return { is: "call", id: this.#id, at: at.at, name, args };
  }

  #expr(): Expr {
    this.#enter("expr");
    let expr = this.#logic("||", "_||_");
    const op = this.#accept("?");
    if (op !== undefined) {
      const then = this.#logic("||", "_||_");
      this.#expect(":");
      expr = this.#call(op, "_?_:_", expr, then, this.#expr());
    }
    this.#depth.expr--;
    return expr;
  }

  /** A chain of one logical operator, as a balanced tree, so that its depth stays small. */
  #logic(sign: "||" | "&&", name: string): Expr {
    const operand = (): Expr => (sign === "||" ? this.#logic("&&", "_&&_") : this.#relation());
    const terms = [operand()];
    const ops: { id: number; at: number }[] = [];
    for (let op = this.#accept(sign); op !== undefined; op = this.#accept(sign)) {
      terms.push(operand());
      ops.push({ id: this.#id, at: op.at });
    }
    const tree = (low: number, high: number): Expr => {
      if (low > high) return terms[low]!;
      const middle = Math.floor((low + high + 1) / 2);
      const args = [tree(low, middle - 1), tree(middle + 1, high)];
      return { is: "call", ...ops[middle]!, name, args };
    };
    return tree(0, ops.length - 1);
  }

  #relation(): Expr {
    return this.#chain(
      "relation",
      (text) => RELATIONS.has(text),
      () => this.#sum(),
    );
  }

  #sum(): Expr {
    return this.#chain(
      "calc",
      (text) => text === "+" || text === "-",
      () => this.#product(),
    );
  }

  #product(): Expr {
    // The sum has entered the rule: upstream's grammar has one rule for both.
    this.#depth.calc--;
    const product = this.#chain(
      "calc",
      (text) => /^[*/%]$/.test(text),
      () => this.#unary(),
    );
    this.#depth.calc++;
    return product;
  }

  /** A chain of binary operators that associate to the left. */
  #chain(rule: Rule, fits: (text: string) => boolean, operand: () => Expr): Expr {
    const depth = this.#depth[rule];
    this.#enter(rule);
    let left = operand();
    while (this.#token.kind === "sign" && fits(this.#token.text)) {
      this.#enter(rule);
      const op = this.#next();
      const id = this.#id;
      const name = op.text === "in" ? "@in" : `_${op.text}_`;
      left = { is: "call", id, at: op.at, name, args: [left, operand()] };
    }
    this.#depth[rule] = depth;
    return left;
  }

  #unary(): Expr {
    const first = this.#token;
    for (const sign of ["!", "-"]) {
      let count = 0;
      while (this.#is(sign, count)) count++;
      const after = this.#tokens[this.#index + count]?.kind;
      if (count === 0 || (sign === "-" && count === 1 && isNumber(after))) continue;
      this.#index += count;
      const operand = this.#member();
      return count % 2 === 0 ? operand : this.#call(first, `${sign}_`, operand);
    }
    return this.#member();
  }

  #member(): Expr {
    const depth = this.#depth.member;
    this.#enter("member");
    let operand = this.#primary();
    while (this.#is(".") || this.#is("[")) {
      this.#enter("member");
      operand = this.#is(".") ? this.#select(operand) : this.#indexed(operand);
    }
    this.#depth.member = depth;
    return operand;
  }

  #select(operand: Expr): Expr {
    const dot = this.#next();
    const optional = this.#accept("?") !== undefined;
    const quoted = this.#token.kind === "escaped";
    const name = quoted ? this.#next() : this.#identifier();
    if (!optional && !quoted && this.#is("(")) return this.#invoke(name.text, operand);
    const field = this.#fieldName(name);
    if (!optional) return { is: "select", id: this.#id, at: dot.at, operand, field, test: false };
    this.#requireOptionals(".?", dot);
    const key: Expr = {
      is: "literal",
      id: this.#id,
      at: name.at,
      value: { type: "string", value: field },
    };
    return this.#call(dot, "_?._", operand, key);
  }

  #fieldName(token: Token): string {
    if (token.kind === "ident") return token.text;
    if (this.#options.escapedFields) return token.text.slice(1, -1);
    throw new ParseError("unsupported syntax: '`'", token.at);
  }

  #requireOptionals(syntax: string, token: Token): void {
    if (!this.#options.optionals) throw new ParseError(`unsupported syntax '${syntax}'`, token.at);
  }

  #indexed(operand: Expr): Expr {
    const open = this.#next();
    const id = this.#id;
    const optional = this.#accept("?");
    if (optional !== undefined) this.#requireOptionals("[?", open);
    else if (!startsOperand(this.#token)) {
      this.#unexpected(OPERAND.replace("'!',", "'!', '?',"), startsOperand);
    }
    const index = this.#expr();
    this.#expect("]");
    const name = optional === undefined ? "_[_]" : "_[?_]";
    return { is: "call", id, at: open.at, name, args: [operand, index] };
  }

  /** The arguments of a call, and what it is: a macro's expansion or a call. */
  #invoke(name: string, target?: Expr): Expr {
    const open = this.#expect("(");
    const id = this.#id;
    const args: Expr[] = [];
    if (!this.#is(")") && !startsOperand(this.#token)) {
      this.#unexpected(
        OPERAND.replace("'(',", "'(', ')',"),
        (token) => token.text === ")" || startsOperand(token),
      );
    }
    while (!this.#is(")")) {
      if (args.length > 0) this.#expect(",");
      args.push(this.#expr());
    }
    this.#expect(")");
    const macro = this.#options.macros.get(macroKey(name, args.length, target !== undefined));
    const expanded = macro?.expand(new NodeMaker(this.#ids, open.at), args, target);
    if (expanded !== undefined) return expanded;
    const call = { is: "call", id, at: open.at, name, args } as const;
    return target === undefined ? call : { ...call, target };
  }

  #primary(): Expr {
    const token = this.#token;
    const isAbsolute = this.#is(".") && this.#tokens[this.#index + 1]?.kind === "ident";
    if (token.kind === "ident" || isAbsolute) return this.#named();
    if (this.#accept("(") !== undefined) {
      const expr = this.#expr();
      this.#expect(")");
      return expr;
    }
    if (this.#is("[")) return this.#list();
    if (this.#is("{")) {
      const open = this.#next();
      return { is: "map", id: this.#id, at: open.at, entries: this.#entries() };
    }
    return this.#literal();
  }

  /** A variable, a call of a function, or a message: `.a.b{c: 1}`. */
  #named(): Expr {
    const start = this.#token;
    const dot = this.#accept(".") === undefined ? "" : ".";
    let ahead = 1;
    while (this.#is(".", ahead) && this.#tokens[this.#index + ahead + 1]?.kind === "ident") {
      ahead += 2;
    }
    if (this.#is("{", ahead)) return this.#message(dot, ahead);
    const name = this.#next();
    if (RESERVED.has(name.text)) {
      throw new ParseError(`reserved identifier: ${name.text}`, start.at);
    }
    if (this.#is("(")) return this.#invoke(dot + name.text);
    return { is: "ident", id: this.#id, at: name.at, name: dot + name.text };
  }

  #message(dot: string, length: number): Expr {
    const words = this.#tokens.slice(this.#index, this.#index + length);
    this.#index += length;
    const open = this.#next();
    const id = this.#id;
    const fields: FieldInit[] = [];
    if (this.#is(",") && this.#is("}", 1)) this.#next();
    while (!this.#is("}")) {
      const optional = this.#optional();
      const name = this.#token.kind === "escaped" ? this.#next() : this.#identifier();
      const colon = this.#expect(":");
      const field = { id: this.#id, at: colon.at, name: this.#fieldName(name), optional };
      fields.push({ ...field, value: this.#expr() });
      if (this.#accept(",") === undefined) break;
    }
    this.#expect("}");
    const name = dot + words.map(({ text }) => text).join("");
    return { is: "struct", id, at: open.at, name, fields };
  }

  #optional(): boolean {
    const sign = this.#accept("?");
    if (sign !== undefined) this.#requireOptionals("?", sign);
    return sign !== undefined;
  }

  #list(): Expr {
    const open = this.#next();
    const id = this.#id;
    const items: { value: Expr; optional: boolean }[] = [];
    if (this.#is(",") && this.#is("]", 1)) this.#next();
    while (!this.#is("]") && this.#token.kind !== "end") {
      const optional = this.#optional();
      items.push({ value: this.#expr(), optional });
      if (this.#accept(",") === undefined) break;
    }
    this.#expect("]");
    return { is: "list", id, at: open.at, items };
  }

  #entries(): Entry[] {
    const entries: Entry[] = [];
    if (this.#is(",") && this.#is("}", 1)) this.#next();
    while (!this.#is("}")) {
      const optional = this.#optional();
      const key = this.#expr();
      const colon = this.#expect(":");
      entries.push({ id: this.#id, at: colon.at, key, value: this.#expr(), optional });
      if (this.#accept(",") === undefined) break;
    }
    this.#expect("}");
    return entries;
  }

  #literal(): Expr {
    const start = this.#token;
    const sign = isNumber(this.#tokens[this.#index + 1]?.kind) ? this.#accept("-") : undefined;
    const token = this.#token;
    const value = literalOf(token, sign === undefined ? "" : "-", start.at);
    if (value === undefined) this.#unexpected(OPERAND, startsOperand);
    this.#next();
    return { is: "literal", id: this.#id, at: start.at, value };
  }
}

function startsOperand({ kind, text }: Token): boolean {
  return kind === "sign"
    ? /^(?:[[{(.\-!]|true|false|null)$/.test(text)
    : kind !== "end" && kind !== "escaped";
}

const isNumber = (kind: Token["kind"] | undefined): boolean => kind === "int" || kind === "double";

type LiteralOf = Extract<Expr, { is: "literal" }>["value"];

function literalOf({ kind, text, at }: Token, sign: string, start: number): LiteralOf | undefined {
  switch (kind) {
    case "int": {
      const value = sign === "" ? BigInt(text) : -BigInt(text);
      if (value > INT_MAX || value < -INT_MAX - 1n) {
        throw new ParseError("invalid int literal", start);
      }
      return { type: "int", value };
    }
    case "uint": {
      const value = BigInt(text.slice(0, -1));
      if (value > UINT_MAX) throw new ParseError("invalid uint literal", start);
      return { type: "uint", value };
    }
    case "double": {
      const value = Number(sign + text);
      if (!Number.isFinite(value)) throw new ParseError("invalid double literal", start);
      return { type: "double", value };
    }
    case "string":
      return { type: "string", value: unquote(text, at).text };
    case "bytes":
      return { type: "bytes", value: unquote(text, at).bytes };
    case "sign":
      if (text === "null") return { type: "null" };
      return text === "true" || text === "false"
        ? { type: "bool", value: text === "true" }
        : undefined;
    default:
      return undefined;
  }
}
