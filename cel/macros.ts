/** The macros of the standard library, of two-variable comprehensions and of optionals. */
import { ACCUMULATOR, type Expr, type Macro, type Maker } from "./ast.ts";

type Expand = Macro["expand"];

function method(name: string, arity: number, expand: Expand): Macro {
  return { name, member: true, arity, expand };
}

const TRUE = { type: "bool", value: true } as const;
const FALSE = { type: "bool", value: false } as const;

type Variables = { readonly variable: string; readonly variable2?: string };

function nameOf(maker: Maker, arg: Expr, complaint: string): string {
  if (arg.is !== "ident") return maker.fail(complaint, arg);
  if (arg.name === ACCUMULATOR) {
    maker.fail("iteration variable overwrites accumulator variable", arg);
  }
  return arg.name;
}

/** The iteration variables that a macro's first arguments name. */
function variablesOf(
  maker: Maker,
  args: readonly Expr[],
  count: number,
  complaint = "argument must be a simple name",
): Variables {
  const variable = nameOf(maker, args[0]!, complaint);
  if (count === 1) return { variable };
  const variable2 = nameOf(maker, args[1]!, complaint);
  if (variable === variable2) maker.fail(`duplicate variable name: ${variable}`, args[1]);
  return { variable, variable2 };
}

type Loop = Pick<
  Extract<Expr, { is: "comprehension" }>,
  "initial" | "condition" | "step" | "result"
>;

/** A fold of one or two variables over the target; `loop` makes its parts of the last arguments. */
function folding(
  name: string,
  arity: number,
  count: number,
  loop: (maker: Maker, args: readonly Expr[], variables: Variables) => Loop,
  complaint?: string,
): Macro {
  return method(name, arity, (maker, args, target) => {
    const variables = variablesOf(maker, args, count, complaint);
    const parts = loop(maker, args.slice(count), variables);
    return maker.fold({ ...variables, range: target!, accumulator: ACCUMULATOR, ...parts });
  });
}

function allLoop(maker: Maker, [predicate]: readonly Expr[]): Loop {
  const accumulator = (): Expr => maker.ident(ACCUMULATOR);
  return {
    initial: maker.literal(TRUE),
    condition: maker.call("@not_strictly_false", accumulator()),
    step: maker.call("_&&_", accumulator(), predicate!),
    result: accumulator(),
  };
}

function existsLoop(maker: Maker, [predicate]: readonly Expr[]): Loop {
  const accumulator = (): Expr => maker.ident(ACCUMULATOR);
  return {
    initial: maker.literal(FALSE),
    condition: maker.call("@not_strictly_false", maker.call("!_", accumulator())),
    step: maker.call("_||_", accumulator(), predicate!),
    result: accumulator(),
  };
}

function existsOneLoop(maker: Maker, [predicate]: readonly Expr[]): Loop {
  const accumulator = (): Expr => maker.ident(ACCUMULATOR);
  const int = (value: bigint): Expr => maker.literal({ type: "int", value });
  return {
    initial: int(0n),
    condition: maker.literal(TRUE),
    step: maker.call("_?_:_", predicate!, maker.call("_+_", accumulator(), int(1n)), accumulator()),
    result: maker.call("_==_", accumulator(), int(1n)),
  };
}

/** A loop that collects into an empty list or map; with a filter only where it holds. */
function collecting(
  maker: Maker,
  initial: Expr,
  filter: Expr | undefined,
  add: (accumulator: Expr) => Expr,
): Loop {
  const accumulator = (): Expr => maker.ident(ACCUMULATOR);
  const step = add(accumulator());
  return {
    initial,
    condition: maker.literal(TRUE),
    step: filter === undefined ? step : maker.call("_?_:_", filter, step, accumulator()),
    result: accumulator(),
  };
}

/** The last argument is what is collected, one before it a filter. */
function mapLoop(maker: Maker, args: readonly Expr[]): Loop {
  const item = args.at(-1)!;
  return collecting(maker, maker.list(), args.at(-2), (accumulator) =>
    maker.call("_+_", accumulator, maker.list(item)),
  );
}

function transformMapLoop(maker: Maker, args: readonly Expr[], { variable }: Variables): Loop {
  return collecting(maker, maker.map(), args.at(-2), (accumulator) =>
    maker.call("cel.@mapInsert", accumulator, maker.ident(variable), args.at(-1)!),
  );
}

function transformEntryLoop(maker: Maker, args: readonly Expr[]): Loop {
  return collecting(maker, maker.map(), args.at(-2), (accumulator) =>
    maker.call("cel.@mapInsert", accumulator, args.at(-1)!),
  );
}

const NO_IDENTIFIER = "argument is not an identifier";

export const STANDARD_MACROS: readonly Macro[] = [
  {
    name: "has",
    member: false,
    arity: 1,
    expand: (maker, [arg]) =>
      arg?.is === "select" ? maker.test(arg) : maker.fail("invalid argument to has() macro", arg),
  },
  folding("all", 2, 1, allLoop),
  folding("exists", 2, 1, existsLoop),
  folding("exists_one", 2, 1, existsOneLoop),
  folding("map", 2, 1, mapLoop, NO_IDENTIFIER),
  folding("map", 3, 1, mapLoop, NO_IDENTIFIER),
  method("filter", 2, (maker, args, target) => {
    const variables = variablesOf(maker, args, 1, NO_IDENTIFIER);
    const parts = collecting(maker, maker.list(), args[1], (accumulator) =>
      maker.call("_+_", accumulator, maker.list(args[0]!)),
    );
    return maker.fold({ ...variables, range: target!, accumulator: ACCUMULATOR, ...parts });
  }),
];

export const TWO_VARIABLE_MACROS: readonly Macro[] = [
  folding("all", 3, 2, allLoop),
  folding("exists", 3, 2, existsLoop),
  folding("exists_one", 3, 2, existsOneLoop),
  folding("existsOne", 3, 2, existsOneLoop),
  folding("transformList", 3, 2, mapLoop),
  folding("transformList", 4, 2, mapLoop),
  folding("transformMap", 3, 2, transformMapLoop),
  folding("transformMap", 4, 2, transformMapLoop),
  folding("transformMapEntry", 3, 2, transformEntryLoop),
  folding("transformMapEntry", 4, 2, transformEntryLoop),
];

/** `let variable = initial in result`: a fold over an empty list, whose start is the value. */
export function binding(maker: Maker, variable: string, initial: Expr, result: Expr): Expr {
  return maker.fold({
    variable: "#unused",
    range: maker.list(),
    accumulator: variable,
    initial,
    condition: maker.literal(FALSE),
    step: maker.ident(variable),
    result,
  });
}

function optional(name: string, wrap: (maker: Maker, value: Expr) => Expr): Macro {
  return method(name, 2, (maker, [variable, result], target) => {
    if (variable?.is !== "ident") {
      return maker.fail(`${name}() variable name must be a simple identifier`, variable);
    }
    const value = maker.method("value", maker.copy(target!));
    return maker.call(
      "_?_:_",
      maker.method("hasValue", target!),
      wrap(maker, binding(maker, variable.name, value, result!)),
      maker.call("optional.none"),
    );
  });
}

export const OPTIONAL_MACROS: readonly Macro[] = [
  optional("optMap", (maker, value) => maker.call("optional.of", value)),
  optional("optFlatMap", (_maker, value) => value),
];

/** `cel.bind(variable, value, expression)`. */
export const BIND_MACRO = method("bind", 3, (maker, [variable, value, result], target) => {
  if (target?.is !== "ident" || target.name !== "cel") return undefined;
  if (variable?.is !== "ident") {
    return maker.fail("cel.bind() variable names must be simple identifiers", variable);
  }
  return binding(maker, variable.name, value!, result!);
});
