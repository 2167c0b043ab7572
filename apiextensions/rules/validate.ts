/** Evaluates the rules of a schema (x-kubernetes-validations) on objects. */
import {
  duplicate,
  type FieldError,
  forbidden,
  invalid,
  messageOfField,
  OMITTED,
  required,
} from "@raft2kube/api/errors.ts";
import type { ValidationRule } from "@raft2kube/api/gen/apiextensions/v1.ts";
import { isObject, memberOf } from "@raft2kube/apimachinery/json/json.ts";
import { CompiledLater } from "@raft2kube/cel/budget.ts";
import type { Program } from "@raft2kube/cel/environment.ts";
import { StepsExceededError } from "@raft2kube/cel/failures.ts";
import { escapeName } from "@raft2kube/cel/field-names.ts";
import { asResource, type DeclaredType, declaredType } from "@raft2kube/cel/schema-types.ts";
import { schemaValue } from "@raft2kube/cel/schema-values.ts";
import type { Variables } from "@raft2kube/cel/state.ts";
import {
  ErrorValue,
  isError,
  OptionalValue,
  type Outcome,
  type Value,
} from "@raft2kube/cel/value.ts";
import { RecentMap } from "@raft2kube/std/recent-map.ts";
import type { Correlated } from "../correlate.ts";
import { memberSchema } from "../defaults.ts";
import {
  COMPILED_VERSIONS_MAX,
  MESSAGE_BYTES_MAX,
  RULE_COST_MAX,
  RULE_STEPS_MAX,
  RULES_COST_MAX,
} from "../limits.ts";
import type { CheckRules } from "../strategy.ts";
import type { Structural } from "../structural.ts";
import { ROOT } from "../validate.ts";
import { type CompiledRule, compileRules } from "./compile.ts";

/** One place of a schema that has rules, or places below with rules. */
export interface RuleNode {
  readonly schema: Structural;
  readonly rules: readonly CompiledRule[];
  readonly isResource: boolean;
  readonly items?: RuleNode;
  readonly members?: RuleNode;
  readonly properties: ReadonlyMap<string, RuleNode>;
  readonly allOf: readonly RuleNode[];
}

/** The rules of versions that stay compiled, as long as the versions are served. */
const recent = new RecentMap<object, WeakRef<CompiledLater<object>>>(
  COMPILED_VERSIONS_MAX,
  (rules) => rules.deref()?.forget(),
);

/**
 * Checks objects by the rules of a schema, which are compiled when the first object is written;
 * undefined when it has none.
 */
export function ruleCheck(schema: Structural): CheckRules | undefined {
  if (!hasRules(schema)) return undefined;
  const rules = new CompiledLater(() => ({ node: ruleNode(schema) }));
  const known = new WeakRef(rules);
  return (object, old, pair, { steps_max, warn }) => {
    const { node } = rules.get(steps_max !== undefined);
    recent.set(known, known);
    if (node === undefined) return [];
    const { errors, unchanged } = checkRules(node, object, old, pair, { ...LIMITS, steps_max });
    for (const error of unchanged) warn?.(messageOfField(error));
    return errors;
  };
}

/** Compiles the rules of a schema and of all below. */
export function ruleNode(schema: Structural, isResource = true): RuleNode | undefined {
  return makeNode(schema, schema, isResource, declaredType(schema, "selfType", isResource));
}

/** Whether there are rules outside of `allOf`; upstream looks into that only if there are. */
function hasRules(schema: Structural | undefined): boolean {
  if (schema === undefined) return false;
  return (
    (schema.rules ?? []).length > 0 ||
    hasRules(schema.items) ||
    hasRules(memberSchema(schema)) ||
    [...(schema.properties?.values() ?? [])].some(hasRules)
  );
}

/** `from` has the rules; under `allOf` it is another than the schema of the place. */
function makeNode(
  from: Structural,
  schema: Structural,
  isResource: boolean,
  declared: DeclaredType | undefined,
): RuleNode | undefined {
  const { rules = [] } = from;
  const compiled =
    declared === undefined || rules.length === 0
      ? []
      : compileRules({ ...schema, rules }, declared);
  const below = (its: Structural | undefined, place: Structural | undefined) =>
    its && place && makeNode(its, place, place.embedded, declared?.items);
  const items = below(from.items, schema.items);
  const members = below(memberSchema(from), memberSchema(schema));
  const node: RuleNode = {
    schema,
    rules: compiled,
    isResource,
    ...(items !== undefined && { items }),
    ...(members !== undefined && { members }),
    properties: propertyNodes(from, schema, declared),
    allOf: (from.allOf ?? []).flatMap((each) => makeNode(each, schema, isResource, declared) ?? []),
  };
  const isEmpty =
    compiled.length === 0 &&
    items === undefined &&
    members === undefined &&
    node.properties.size === 0 &&
    node.allOf.length === 0;
  return isEmpty ? undefined : node;
}

function propertyNodes(
  from: Structural,
  schema: Structural,
  declared: DeclaredType | undefined,
): ReadonlyMap<string, RuleNode> {
  const nodes = new Map<string, RuleNode>();
  for (const [name, its] of from.properties ?? []) {
    const place = schema.properties?.get(name);
    if (place === undefined) continue;
    const identifier = escapeName(name);
    const type =
      identifier === undefined
        ? declaredType(place, `selfType.${name}`, place.embedded)
        : declared?.fields?.get(identifier);
    const node = type && makeNode(its, place, place.embedded, type);
    if (node !== undefined) nodes.set(name, node);
  }
  return nodes;
}

/** Limits of a check, which tests lower. */
export interface RuleLimits {
  /** The cost of one evaluation, and of all about one object. */
  readonly ruleCost: number;
  readonly totalCost: number;
  /** Steps of all evaluations about one object. */
  readonly steps_max?: number | undefined;
}

const LIMITS: RuleLimits = { ruleCost: RULE_COST_MAX, totalCost: RULES_COST_MAX };

/**
 * Returns the errors of a value, those of what did not change apart, and the cost that was left,
 * negative when it ran out. Throws
 * StepsExceededError when there are more than `steps_max`.
 */
export function checkRules(
  node: RuleNode,
  value: unknown,
  old: unknown,
  pair: Correlated | undefined,
  limits = LIMITS,
  path = "",
): Pick<Run, "errors" | "unchanged" | "left"> {
  const run = new Run(limits);
  run.check(node, path, value, old ?? undefined, { pair, parent: undefined });
  return run;
}

/** The pair at a place, and the closest one above: errors of what did not change are dropped. */
type Ratchet = { readonly pair: Correlated | undefined; readonly parent: Correlated | undefined };

const isUnchanged = ({ pair, parent }: Ratchet): boolean => (pair ?? parent)?.same === true;

function atMember(ratchet: Ratchet, name: string): Ratchet {
  const { pair, parent } = ratchet;
  if (pair === undefined) return ratchet;
  // Both objects were converted to one version, so that these are always the same.
  if (parent === undefined && (name === "apiVersion" || name === "kind")) {
    return { pair: undefined, parent: undefined };
  }
  return { pair: pair.key(name), parent: pair };
}

function atItem(ratchet: Ratchet, index: number): Ratchet {
  const { pair } = ratchet;
  return pair === undefined ? ratchet : { pair: pair.index(index), parent: pair };
}

const OUT_OF_BUDGET =
  "validation failed due to running out of cost budget, no further validation rules will be run";

const child = (path: string, name: string): string => (path === "" ? name : `${path}.${name}`);

/** The text by which an error identifies a rule. */
function ruleText({ message = "", rule }: ValidationRule): string {
  return (message === "" ? rule : message).trim();
}

/** One check of an object. Nothing is evaluated after `left` fell below 0. */
class Run {
  readonly errors: FieldError[] = [];
  readonly unchanged: FieldError[] = [];
  left: number;
  readonly #ruleCost: number;
  #steps: number;

  constructor({ ruleCost, totalCost, steps_max = Infinity }: RuleLimits) {
    this.left = totalCost;
    this.#ruleCost = ruleCost;
    this.#steps = steps_max;
  }

  check(node: RuleNode, path: string, value: unknown, old: unknown, ratchet: Ratchet): void {
    // Rules about null are those of the place around it.
    if (value === null || value === undefined) return;
    this.#checkRules(node, path, value, old, ratchet);
    for (const each of node.allOf) {
      if (this.left < 0) return;
      this.check(each, path, value, old, { pair: undefined, parent: ratchet.parent });
    }
    if (Array.isArray(value)) this.#checkItems(node, path, value, old, ratchet);
    else if (isObject(value)) this.#checkMembers(node, path, value, old, ratchet);
  }

  #checkItems(
    { schema, items }: RuleNode,
    path: string,
    value: readonly unknown[],
    old: unknown,
    ratchet: Ratchet,
  ): void {
    if (items === undefined) return;
    const oldItems = itemsByKey(schema, Array.isArray(old) ? old : []);
    for (const [index, item] of value.entries()) {
      if (this.left < 0) return;
      const oldItem = oldItems.get(keyOf(schema, item));
      this.check(items, `${path}[${index}]`, item, oldItem, atItem(ratchet, index));
    }
  }

  #checkMembers(
    { schema, members, properties }: RuleNode,
    path: string,
    value: Readonly<Record<string, unknown>>,
    old: unknown,
    ratchet: Ratchet,
  ): void {
    const { mapType = "granular" } = schema;
    const isCorrelatable = mapType === "granular" || mapType === "atomic";
    for (const [name, member] of Object.entries(value)) {
      const before = isCorrelatable && isObject(old) ? memberOf(old, name) : undefined;
      const property = properties.get(name);
      for (const [node, at] of [
        [members, `${path}[${name}]`],
        [property, child(path, name)],
      ] as const) {
        if (this.left < 0) return;
        if (node !== undefined) this.check(node, at, member, before, atMember(ratchet, name));
      }
    }
  }

  #checkRules(node: RuleNode, path: string, value: unknown, old: unknown, ratchet: Ratchet): void {
    if (node.rules.length === 0 || this.left < 0) return;
    if (this.left === 0) return this.#stop(path, node, OUT_OF_BUDGET);
    const schema = node.isResource ? asResource(node.schema) : node.schema;
    const self = schemaValue(value, schema);
    const oldSelf = old === undefined || old === null ? undefined : schemaValue(old, schema);
    for (const compiled of node.rules) {
      if (this.left < 0) return;
      this.#checkRule(node, compiled, path, value, self, oldSelf, ratchet);
    }
  }

  #checkRule(
    node: RuleNode,
    compiled: CompiledRule,
    path: string,
    value: unknown,
    self: Value,
    oldSelf: Value | undefined,
    ratchet: Ratchet,
  ): void {
    const { rule, program, usesOld, error } = compiled;
    if (error !== undefined) return this.#add(path, node, `rule compile error: ${error}`);
    const isOptional = rule.optionalOldSelf === true;
    if (program === undefined || (usesOld && oldSelf === undefined && !isOptional)) return;
    const given: Variables = oldSelf === undefined ? { self } : { self, oldSelf };
    const variables: Variables = isOptional ? { self, oldSelf: new OptionalValue(oldSelf) } : given;
    const outcome = this.#evaluate(program, variables);
    if (outcome === undefined) return this.#stop(path, node, OUT_OF_BUDGET);
    if (isError(outcome)) return this.#addFailure(path, node, outcome.message, rule);
    if (outcome === true) return;
    const errors = this.#errorsOf(node, compiled, path, value, given);
    (usesOld || !isUnchanged(ratchet) ? this.errors : this.unchanged).push(...errors);
  }

  /** The result within the limits; undefined when the cost of all is used up. */
  #evaluate(program: Program, variables: Variables): Outcome | undefined {
    try {
      const { value, cost, steps } = program.evaluate(variables, {
        costMax: this.#ruleCost,
        stepsMax: Math.min(RULE_STEPS_MAX, this.#steps),
      });
      this.#steps -= steps;
      if (cost > this.left) return undefined;
      this.left -= cost;
      return value;
    } catch (thrown) {
      // A call that was not made, as it would have cost more than a rule may.
      const isFinal = this.#steps >= RULE_STEPS_MAX;
      if (thrown instanceof StepsExceededError && isFinal) return new ErrorValue(COST_EXCEEDED);
      throw thrown;
    }
  }

  /** The error of a rule that does not hold. */
  #errorsOf(
    { schema }: RuleNode,
    compiled: CompiledRule,
    path: string,
    value: unknown,
    variables: Variables,
  ): FieldError[] {
    const { rule, fieldPath } = compiled;
    const at = fieldPath === "" ? path : child(path, fieldPath);
    const place = at === "" ? ROOT : at;
    const written = this.#message(compiled, variables);
    if (written.fatal !== undefined) {
      this.left = -1;
      return [invalid(place, schema.type ?? "", written.fatal)];
    }
    const ready = (rule.message ?? "") === "" ? `failed rule: ${ruleText(rule)}` : ruleText(rule);
    const detail = written.text ?? ready;
    const shown = schema.type === "object" || schema.type === "array" ? OMITTED : value;
    switch (rule.reason) {
      case "FieldValueForbidden":
        return [forbidden(place, detail)];
      case "FieldValueRequired":
        return [required(place, detail)];
      case "FieldValueDuplicate":
        return [duplicate(place, shown)];
      default:
        return [invalid(place, shown, detail)];
    }
  }

  /** The message that an expression gives, if it gives a usable one; `fatal` ends the check. */
  #message(
    { message, rule }: CompiledRule,
    variables: Variables,
  ): { readonly text?: string; readonly fatal?: string } {
    if (message === undefined) return {};
    const outcome = this.#evaluate(message, variables);
    if (outcome === undefined) {
      return {
        fatal:
          "messageExpression evaluation failed due to running out of cost budget, no " +
          "further validation rules will be run",
      };
    }
    if (isError(outcome) && outcome.message.startsWith(COST_EXCEEDED)) {
      return {
        fatal:
          "no further validation rules will be run due to call cost exceeds limit for " +
          `messageExpression: ${JSON.stringify(rule.messageExpression)}`,
      };
    }
    const text = typeof outcome === "string" ? outcome.trim() : "";
    const isUsable =
      text !== "" && !text.includes("\n") && Buffer.byteLength(text) <= MESSAGE_BYTES_MAX;
    return isUsable ? { text } : {};
  }

  /** The error of a rule that could not be evaluated. */
  #addFailure(path: string, node: RuleNode, message: string, rule: ValidationRule): void {
    const text = ruleText(rule);
    if (message.startsWith("no such overload")) {
      this.#add(
        path,
        node,
        `'${message}': call arguments did not match a supported operator, ` +
          `function or macro signature for rule: ${text}`,
      );
    } else if (message.startsWith(COST_EXCEEDED)) {
      this.#stop(
        path,
        node,
        `'${message}': no further validation rules will be run due to call ` +
          `cost exceeds limit for rule: ${text}`,
      );
    } else this.#add(path, node, `${message} evaluating rule: ${text}`);
  }

  #add(path: string, { schema }: RuleNode, detail: string): void {
    this.errors.push(invalid(path === "" ? ROOT : path, schema.type ?? "", detail));
  }

  #stop(path: string, node: RuleNode, detail: string): void {
    this.#add(path, node, detail);
    this.left = -1;
  }
}

const COST_EXCEEDED = "operation cancelled: actual cost limit exceeded";

/** The items of a list of type `map` by their keys; none of other lists. */
function itemsByKey(schema: Structural, items: readonly unknown[]): Map<string, unknown> {
  const found = new Map<string, unknown>();
  for (const item of items) {
    const key = keyOf(schema, item);
    if (key !== "" && !found.has(key)) found.set(key, item);
  }
  return found;
}

function keyOf({ listType, listKeys = [] }: Structural, item: unknown): string {
  if (listType !== "map" || !isObject(item)) return "";
  return JSON.stringify(listKeys.map((key) => memberOf(item, key) ?? null));
}
