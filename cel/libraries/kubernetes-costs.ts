/**
 * The costs of Kubernetes' functions, estimated from types and counted at run time. A change of any
 * figure changes which rules a CustomResourceDefinition may have. Source: the behaviour of
 * k8s.io/apiserver/pkg/cel/library/cost.go.
 */
import {
  type CallEstimate,
  type CostModel,
  type CostNode,
  type Range,
  type SizeEstimator,
  UNBOUNDED,
} from "../library.ts";
import { TRAVERSAL_COST_MAX } from "../limits.ts";
import { costSize } from "../operations.ts";
import { add, exactly, multiply, scale } from "../ranges.ts";
import { ListValue, MapValue, OpaqueValue, type Outcome, type Value } from "../value.ts";
import { FormatValue } from "./format.ts";
import { sizeOf } from "./sizes.ts";

/** The cost of a character of a text, and of a pattern. */
const TEXT = 0.1;
const PATTERN = 0.25;
/** Allows for two authorization checks in an expression. */
const AUTHORIZATION = 350_000;
const LIST_CREATION = 10;
const REQUIREMENT_CREATION = 50;
/** The shortest requirement of a selector has two characters: `k,`. */
const REQUIREMENTS_A_CHARACTER = 0.5;
/** The length that estimates take for the pattern of any named format. */
const FORMAT_PATTERN_LENGTH = 128;
const FORMAT_NAME_LENGTH_MAX = 64n;
/** Bytes of addresses: IPv4, IPv6. */
const ADDRESS: Range = { min: 4n, max: 16n };

interface EstimatedCall {
  readonly overload: string;
  readonly target: CostNode | undefined;
  readonly args: readonly CostNode[];
  size(node: CostNode): Range;
}

interface CountedCall {
  readonly overload: string;
  readonly args: readonly Value[];
  readonly result: Outcome;
}

/** How functions cost. Undefined is for a call of another library's function of the same name. */
interface Rule {
  readonly count: (call: CountedCall) => number | undefined;
  readonly estimate: (call: EstimatedCall) => CallEstimate | undefined;
}

function always(cost: number): Rule {
  return { count: () => cost, estimate: () => ({ cost: exactly(BigInt(cost)) }) };
}

const UNIT = always(1);

/** Reads its first argument, `times` over. */
const reading = (passes: number, sizesResult = false): Rule => ({
  count: ({ args: [text] }) => Math.ceil(costSize(text!) * passes * TEXT),
  estimate: ({ args: [text], size }) => {
    if (text === undefined) return undefined;
    const length = size(text);
    return { cost: scale(length, passes * TEXT), ...(sizesResult && { resultSize: length }) };
  },
});

const PARSE = reading(1);

/** Reads its receiver, and gives a text that is no longer. */
const TRANSFORM: Rule = {
  count: PARSE.count,
  estimate: ({ target, size }) => {
    if (target === undefined) return undefined;
    return { cost: scale(size(target), TEXT), resultSize: size(target) };
  },
};

function selectorCost(length: Range): Range {
  const requirements = scale(length, REQUIREMENTS_A_CHARACTER);
  const parts = add(scale(length, TEXT), scale(requirements, REQUIREMENT_CREATION));
  return add(exactly(BigInt(LIST_CREATION)), parts);
}

const SELECTOR: Rule = {
  count: ({ args: [, selector] }) => Number(selectorCost(exactly(BigInt(costSize(selector!)))).max),
  estimate: ({ args: [selector], size }) => ({ cost: selectorCost(size(selector!)) }),
};

/** The cost of reading a value and all that is in it. */
function traversalCost(value: Value): number {
  if (typeof value === "string") return Math.trunc(Buffer.byteLength(value) * TEXT);
  if (value instanceof Uint8Array) return Math.trunc(value.length * TEXT);
  if (!(value instanceof ListValue || value instanceof MapValue)) return 1;
  let cost = 0;
  for (const each of value instanceof ListValue ? value : value.keys()) {
    cost += traversalCost(each);
    if (value instanceof MapValue) cost += traversalCost(value.get(each)!);
    if (cost > TRAVERSAL_COST_MAX) break;
  }
  return cost;
}

/** The items of a list as a node of the schema. */
function itemsOf({ type, path }: CostNode): CostNode | undefined {
  const [item] = type.parameters;
  if (item === undefined) return undefined;
  return { type: item, ...(path !== undefined && { path: [...path, "@items"] }) };
}

const TRAVERSE: Rule = {
  count: ({ args: [list] }) => traversalCost(list!),
  estimate: ({ target, size }) => {
    if (target === undefined) return undefined;
    const items = itemsOf(target);
    if (items === undefined) return { cost: scale(size(target), TEXT) };
    const isText = items.type.kind === "string" || items.type.kind === "bytes";
    const item = isText ? add(exactly(1n), scale(size(items), TEXT)) : exactly(1n);
    return { cost: multiply(size(target), item) };
  },
};

/** A bound of how often a text is replaced, and of the characters that stay. */
function replaced(
  length: bigint,
  old: bigint,
  isUnchanged: boolean,
): [count: bigint, kept: bigint] {
  if (old === 0n) return [length < UNBOUNDED ? length + 1n : length, length];
  if (isUnchanged) return [0n, length];
  return [BigInt(Math.ceil(Number(length) / Number(old))), 0n];
}

function estimateReplace({ target, args: [old, by], size }: EstimatedCall): CallEstimate {
  const length = size(target!);
  const from = size(old!);
  const to = size(by!);
  const [maxCount, maxKept] = replaced(length.max, from.min, to.max <= from.min);
  const [minCount, minKept] = replaced(length.min, from.max, from.max <= to.min);
  const resultSize = add(multiply({ min: minCount, max: maxCount }, to), {
    min: minKept,
    max: maxKept,
  });
  return { cost: scale(length, 2 * TEXT), resultSize };
}

const REPLACE: Rule = { count: reading(2).count, estimate: estimateReplace };

const SPLIT: Rule = {
  count: reading(2).count,
  estimate: ({ target, args: [, limit], size }) => {
    const length = size(target!);
    const literal = limit?.expr?.is === "literal" ? limit.expr.value : undefined;
    const max = literal?.type === "int" ? BigInt.asUintN(64, literal.value) : length.max;
    return { cost: scale(length, 2 * TEXT), resultSize: { min: 0n, max } };
  },
};

const JOIN: Rule = {
  count: ({ result }) => Math.ceil(costSize(result) * 2 * TEXT),
  estimate: ({ target, args: [separator], size }) => {
    const count = size(target!);
    const items = itemsOf(target!);
    let length = items === undefined ? exactly(0n) : multiply(count, size(items));
    if (separator !== undefined) {
      const gaps = {
        min: count.min > 0n ? count.min - 1n : 0n,
        max: count.max > 0n ? count.max - 1n : 0n,
      };
      length = add(length, multiply(size(separator), gaps));
    }
    return { cost: scale(length, TEXT), resultSize: length };
  },
};

const MATCH: Rule = {
  count: ({ args: [text, pattern] }) =>
    Math.ceil((1 + costSize(text!)) * TEXT) * Math.ceil(costSize(pattern!) * PATTERN),
  estimate: ({ target, args: [pattern], size }) => {
    const length = size(target!);
    const cost = multiply(scale(add(length, exactly(1n)), TEXT), scale(size(pattern!), PATTERN));
    return { cost, resultSize: { min: 0n, max: length.max } };
  },
};

const IP: Rule = {
  count: (call) => (call.overload === "cidr_ip" ? 1 : PARSE.count(call)),
  estimate: (call) => (call.overload === "cidr_ip" ? UNIT.estimate(call) : PARSE.estimate(call)),
};

/** Compares a prefix, and `extra` of it again; reads the other side when it is a text. */
const containing = (textOverload: string, masks: boolean): Rule => ({
  count: ({ overload, args: [cidr, other] }) => {
    const length = costSize(cidr!);
    const masking = masks ? Math.ceil(length * TEXT) + 1 : 0;
    const reads = overload === textOverload ? Math.ceil(costSize(other!) * TEXT) : 0;
    return Math.ceil((length + length) * TEXT) + masking + reads;
  },
  estimate: ({ overload, args: [other], size }) => {
    let cost = scale(add(ADDRESS, ADDRESS), TEXT);
    if (masks) cost = add(cost, add(scale(ADDRESS, TEXT), exactly(1n)));
    if (overload === textOverload) cost = add(cost, scale(size(other!), TEXT));
    return { cost };
  },
});

const VALIDATE: Rule = {
  count: ({ args: [format, text] }) => {
    if (!(format instanceof FormatValue)) return undefined;
    const pattern = Math.ceil(format.patternLength * PATTERN);
    return Math.ceil((1 + costSize(text!)) * TEXT) * pattern;
  },
  estimate: ({ args: [text], size }) => ({
    cost: scale(scale(size(text!), TEXT), FORMAT_PATTERN_LENGTH * PATTERN),
  }),
};

/** Types whose values are compared at the cost of 1. */
const COMPARED_AS_UNIT = new Set([
  "net.IP",
  "net.CIDR",
  "kubernetes.Quantity",
  "kubernetes.Semver",
  "kubernetes.authorization.Authorizer",
  "kubernetes.authorization.PathCheck",
  "kubernetes.authorization.GroupCheck",
  "kubernetes.authorization.ResourceCheck",
  "kubernetes.authorization.Decision",
]);

const EQUAL: Rule = {
  count: ({ args: [left] }) => (left instanceof OpaqueValue ? 1 : undefined),
  estimate: ({ args: [left, right] }) => {
    if (left === undefined || right === undefined || !left.type.is(right.type)) return undefined;
    const { name } = left.type;
    if (COMPARED_AS_UNIT.has(name)) return { cost: exactly(1n) };
    if (name === "kubernetes.NamedFormat") {
      return { cost: scale({ min: 1n, max: FORMAT_NAME_LENGTH_MAX }, TEXT) };
    }
    if (name !== "kubernetes.URL") return undefined;
    return { cost: scale({ min: 1n, max: right.computedSize?.max ?? 1n }, TEXT) };
  },
};

const RULES: readonly (readonly [names: string, rule: Rule])[] = [
  [
    "serviceAccount path group resource subresource namespace name allowed reason error errored",
    UNIT,
  ],
  [
    "masked prefixLength family isUnspecified isLoopback isLinkLocalMulticast isLinkLocalUnicast " +
      "isGlobalUnicast format.named",
    UNIT,
  ],
  [
    "sign asInteger isInteger asApproximateFloat isGreaterThan isLessThan compareTo add sub major " +
      "minor patch",
    UNIT,
  ],
  ["getScheme getHostname getHost getPort getEscapedPath getQuery", UNIT],
  ["check", always(AUTHORIZATION)],
  ["fieldSelector labelSelector", SELECTOR],
  ["isSorted sum max min indexOf lastIndexOf", TRAVERSE],
  ["url jsonpatch.escapeKey", reading(1, true)],
  ["lowerAscii upperAscii substring trim", TRANSFORM],
  ["replace", REPLACE],
  ["split", SPLIT],
  ["join", JOIN],
  ["find findAll", MATCH],
  ["cidr isIP isCIDR quantity isQuantity semver isSemver", PARSE],
  ["ip", IP],
  ["ip.isCanonical", reading(2)],
  ["containsIP", containing("cidr_contains_ip_string", false)],
  ["containsCIDR", containing("cidr_contains_cidr_string", true)],
  ["validate", VALIDATE],
  ["_==_", EQUAL],
];

const RULE_OF = new Map(
  RULES.flatMap(([names, rule]) => names.split(" ").map((name) => [name, rule] as const)),
);

export const KUBERNETES_COSTS: CostModel = {
  callCost: (name, overload, args, result) => RULE_OF.get(name)?.count({ overload, args, result }),
  estimateCall: (name, overload, target, args, sizes: SizeEstimator) =>
    RULE_OF.get(name)?.estimate({ overload, target, args, size: (node) => sizeOf(node, sizes) }),
};
