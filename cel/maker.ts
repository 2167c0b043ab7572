/** Makes the nodes of macros' expansions. */
import type { Comprehension, Expr, LiteralValue, Maker, Select } from "./ast.ts";
import type { CompileBudget } from "./budget.ts";
import { ParseError } from "./issues.ts";
import { COPIED_NODES_MAX, NODE_STEPS } from "./limits.ts";

/** The ids of a tree's nodes. */
export class NodeIds {
  readonly #budget: CompileBudget;
  #last = 0;
  #copies = 0;

  constructor(budget: CompileBudget) {
    this.#budget = budget;
  }

  next(): number {
    return ++this.#last;
  }

  /** The id of a node's copy. Throws ParseError past COPIED_NODES_MAX, and when the budget is spent. */
  copy(): number {
    this.#budget.count(NODE_STEPS);
    if (++this.#copies > COPIED_NODES_MAX) {
      throw new ParseError(
        `expression is too large: macros copy more than ${COPIED_NODES_MAX} nodes`,
        undefined,
      );
    }
    return this.next();
  }
}

/** Nodes at the place of the macro's call. */
export class NodeMaker implements Maker {
  readonly #ids: NodeIds;
  readonly #at: number;

  constructor(ids: NodeIds, at: number) {
    this.#ids = ids;
    this.#at = at;
  }

  get #node(): { id: number; at: number } {
    return { id: this.#ids.next(), at: this.#at };
  }

  literal(value: LiteralValue): Expr {
    return { is: "literal", ...this.#node, value };
  }

  ident(name: string): Expr {
    return { is: "ident", ...this.#node, name };
  }

  select(operand: Expr, field: string): Expr {
    return { is: "select", ...this.#node, operand, field, test: false };
  }

  call(name: string, ...args: Expr[]): Expr {
    return { is: "call", ...this.#node, name, args };
  }

  method(name: string, target: Expr, ...args: Expr[]): Expr {
    return { is: "call", ...this.#node, name, target, args };
  }

  list(...items: Expr[]): Expr {
    const plain = items.map((value) => ({ value, optional: false }));
    return { is: "list", ...this.#node, items: plain };
  }

  map(...entries: (readonly [Expr, Expr])[]): Expr {
    const plain = entries.map(([key, value]) => ({ ...this.#node, key, value, optional: false }));
    return { is: "map", ...this.#node, entries: plain };
  }

  test({ operand, field }: Select): Expr {
    return { is: "select", ...this.#node, operand, field, test: true };
  }

  fold(parts: Omit<Comprehension, "id" | "at" | "is">): Expr {
    return { is: "comprehension", ...this.#node, ...parts };
  }

  copy(expr: Expr): Expr {
    const id = this.#ids.copy();
    const again = (each: Expr): Expr => this.copy(each);
    switch (expr.is) {
      case "literal":
      case "ident":
        return { ...expr, id };
      case "select":
        return { ...expr, id, operand: again(expr.operand) };
      case "call": {
        const call = { ...expr, id, args: expr.args.map(again) };
        return expr.target === undefined ? call : { ...call, target: again(expr.target) };
      }
      case "list":
        return {
          ...expr,
          id,
          items: expr.items.map((each) => ({ ...each, value: again(each.value) })),
        };
      case "map":
        return {
          ...expr,
          id,
          entries: expr.entries.map((each) => ({
            ...each,
            id: this.#ids.copy(),
            key: again(each.key),
            value: again(each.value),
          })),
        };
      case "struct":
        return {
          ...expr,
          id,
          fields: expr.fields.map((each) => ({
            ...each,
            id: this.#ids.copy(),
            value: again(each.value),
          })),
        };
      case "comprehension":
        return {
          ...expr,
          id,
          range: again(expr.range),
          initial: again(expr.initial),
          condition: again(expr.condition),
          step: again(expr.step),
          result: again(expr.result),
        };
      default:
        return expr satisfies never;
    }
  }

  fail(message: string, node?: Expr): never {
    throw new ParseError(message, node?.at ?? this.#at);
  }
}
