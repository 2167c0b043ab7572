/** Converts cel-go's tables of costs, as read-cases.go prints them, into plain cases. */

interface Tree {
  readonly string?: string;
  readonly number?: string;
  readonly name?: string;
  readonly call?: Tree;
  readonly args?: readonly Tree[];
  readonly composite?: readonly (Tree | readonly [Tree, Tree])[];
  readonly list?: boolean;
  readonly code?: true;
}

export type Tables = Readonly<Record<string, Tree>>;

/** A case; `leftOut` says why one is not converted. */
export interface CostCase {
  readonly name: string;
  readonly expr: string;
  readonly variables?: Readonly<Record<string, string>>;
  readonly sizes?: Readonly<Record<string, number>>;
  readonly input?: unknown;
  readonly presenceTestCosts?: boolean;
  readonly limit?: number;
  /** The cost at run time; undefined when the limit is exceeded. */
  readonly cost?: number;
  /** The least and most that is estimated. */
  readonly estimate?: readonly [string, string];
}

/** The cases of a table, and the names of those that give costs by functions of their own. */
export function costCases(tables: Tables): { cases: CostCase[]; leftOut: string[] } {
  const cases: CostCase[] = [];
  const leftOut: string[] = [];
  for (const each of tables.cases!.composite as readonly Tree[]) {
    const fields = fieldsOf(each);
    if (JSON.stringify(fields.options ?? {}).includes('"code"')) {
      leftOut.push(fields.name!.string!);
    } else {
      cases.push(caseOf(fields, tables));
    }
  }
  return { cases, leftOut };
}

function fieldsOf(tree: Tree): Record<string, Tree> {
  const pairs = (tree.composite ?? []) as readonly (readonly [Tree, Tree])[];
  return Object.fromEntries(pairs.map(([key, value]) => [key.name ?? key.string!, value]));
}

function caseOf(fields: Record<string, Tree>, tables: Tables): CostCase {
  const { name, expr, vars, hints, options, want, wanted, limit, expectExceedsLimit } = fields;
  const declared = (vars?.composite ?? []) as readonly Tree[];
  const presence = (options?.composite?.[0] as Tree | undefined)?.args?.[0]?.name;
  return {
    name: name!.string!,
    expr: expr!.string!,
    ...(declared.length === 0
      ? {}
      : {
          variables: Object.fromEntries(
            declared.map(({ args }) => [args![0]!.string!, typeText(args![1]!, tables)]),
          ),
        }),
    ...(hints === undefined
      ? {}
      : {
          sizes: Object.fromEntries(
            Object.entries(fieldsOf(hints)).map(([path, { number }]) => [path, Number(number)]),
          ),
        }),
    ...(fields.in === undefined ? {} : { input: valueOf(fields.in) }),
    ...(presence === undefined ? {} : { presenceTestCosts: presence === "true" }),
    ...(limit === undefined ? {} : { limit: Number(limit.number) }),
    ...(want === undefined || expectExceedsLimit !== undefined
      ? {}
      : { cost: Number(want.number) }),
    ...(wanted === undefined ? {} : { estimate: rangeOf(wanted) }),
  };
}

const TYPES: Readonly<Record<string, string>> = {
  "types.BoolType": "bool",
  "types.BytesType": "bytes",
  "types.DoubleType": "double",
  "types.DurationType": "duration",
  "types.IntType": "int",
  "types.StringType": "string",
  "types.TimestampType": "timestamp",
};

function typeText(tree: Tree, tables: Tables): string {
  if (tree.name !== undefined) return TYPES[tree.name] ?? typeText(tables[tree.name]!, tables);
  const [first, second] = tree.args!;
  switch (tree.call!.name) {
    case "types.NewListType":
      return `list(${typeText(first!, tables)})`;
    case "types.NewMapType":
      return `map(${typeText(first!, tables)}, ${typeText(second!, tables)})`;
    case "types.NewObjectType":
      return first!.string!;
    default:
      throw new Error(`unknown type ${JSON.stringify(tree)}`);
  }
}

function rangeOf(tree: Tree): readonly [string, string] {
  if (tree.name === "zeroCost") return ["0", "0"];
  if (tree.name === "oneCost") return ["1", "1"];
  if (tree.args !== undefined) return [tree.args[0]!.number!, tree.args[0]!.number!];
  const { Min, Max } = fieldsOf(tree);
  return [Min?.number ?? "0", Max!.number!];
}

const RANDOM = "x".repeat(500);

/** An input; random texts become one of their length, and messages are empty. */
function valueOf(tree: Tree): unknown {
  if (tree.string !== undefined) return tree.string;
  if (tree.number !== undefined) return Number(tree.number);
  if (tree.name !== undefined) return tree.name === "true";
  switch (tree.call?.name) {
    case "string":
      return RANDOM;
    case "randSeq":
      return { bytes: RANDOM };
    case "time.Now":
      return { timestamp: "2020-01-01T00:00:00Z" };
    default:
  }
  if (tree.list === true) return (tree.composite as readonly Tree[]).map(valueOf);
  const fields = Object.entries(fieldsOf(tree));
  const isMessage = fields.some(([name]) => /^[A-Z]/.test(name));
  return isMessage ? {} : Object.fromEntries(fields.map(([name, value]) => [name, valueOf(value)]));
}
