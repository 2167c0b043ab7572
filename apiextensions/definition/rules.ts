/** The rules (x-kubernetes-validations) of a definition: that they compile, and what they cost. */
import { type FieldError, forbidden, invalid } from "@raft2kube/api/errors.ts";
import type { JSONSchemaProps, ValidationRule } from "@raft2kube/api/gen/apiextensions/v1.ts";
import { escapeName } from "@raft2kube/cel/field-names.ts";
import { type DeclaredType, declaredType, occurrencesMax } from "@raft2kube/cel/schema-types.ts";
import { ESTIMATED_RULE_COST_MAX, ESTIMATED_RULES_COST_MAX, NAMED_RULES_MAX } from "../limits.ts";
import { type CompiledRule, compileRules } from "../rules/compile.ts";
import { structuralOf } from "../structural.ts";

type Schema = JSONSchemaProps;

/** Where rules stand: the type there, and how many such values an object can have. */
export class RulePlace {
  readonly #schema: Schema;
  readonly #isResource: boolean;
  readonly #inherited: () => DeclaredType | undefined;
  #declared: DeclaredType | undefined;
  /** The most values that bounds around them allow; undefined where something has no bound. */
  readonly occurrences: bigint | undefined;
  /** The closest list or map around it whose parts do not correspond to old ones. */
  readonly uncorrelatable: string | undefined;

  private constructor(
    schema: Schema,
    isResource: boolean,
    inherited: () => DeclaredType | undefined,
    occurrences: bigint | undefined,
    uncorrelatable: string | undefined,
  ) {
    this.#schema = schema;
    this.#isResource = isResource;
    this.#inherited = inherited;
    this.occurrences = occurrences;
    this.uncorrelatable = uncorrelatable;
  }

  static root(schema: Schema): RulePlace {
    return new RulePlace(schema, true, () => undefined, 1n, undefined);
  }

  /** The type of values; undefined when expressions do not see them. */
  get declared(): DeclaredType | undefined {
    return (this.#declared ??=
      this.#inherited() ?? declaredType(structuralOf(this.#schema), "selfType", this.#isResource));
  }

  property(schema: Schema, name: string, path: string): RulePlace {
    const identifier = escapeName(name);
    const isAtomic = !["granular", "atomic", undefined].includes(
      this.#schema["x-kubernetes-map-type"],
    );
    return this.#below(schema, isAtomic ? path : undefined, () =>
      identifier === undefined ? undefined : this.declared?.fields?.get(identifier),
    );
  }

  items(schema: Schema, path: string): RulePlace {
    const hasKeys = this.#schema["x-kubernetes-list-type"] === "map";
    return this.#below(schema, hasKeys ? undefined : path, () => this.declared?.items);
  }

  members(schema: Schema): RulePlace {
    return this.#below(schema, undefined, () => this.declared?.items);
  }

  #below(
    schema: Schema,
    uncorrelatable: string | undefined,
    inherited: () => DeclaredType | undefined,
  ): RulePlace {
    const factor = multiplicity(this.#schema);
    const { occurrences } = this;
    return new RulePlace(
      schema,
      schema["x-kubernetes-embedded-resource"] === true,
      inherited,
      occurrences === undefined || factor === undefined ? undefined : occurrences * factor,
      this.uncorrelatable ?? uncorrelatable,
    );
  }
}

/** How many values below there can be for each value; undefined without a bound. */
function multiplicity(schema: Schema): bigint | undefined {
  const { type, additionalProperties, maxProperties, maxItems } = schema;
  const isMap = type === "object" && additionalProperties !== undefined;
  if (!isMap && type !== "array") return 1n;
  const bound = isMap ? maxProperties : maxItems;
  return bound === undefined ? undefined : BigInt(Math.max(bound, 0));
}

/** The rules of a version: their errors, and the sum of their costs. */
export class RuleAudit {
  readonly #limitsEach: boolean;
  #total = 0n;
  #expensive: { readonly path: string; readonly cost: bigint }[] = [];

  /** Limits the cost of all rules; with `limitsEach` that of each rule as well. */
  constructor(limitsEach: boolean) {
    this.#limitsEach = limitsEach;
  }

  /** The errors of the rules at a place. */
  check(place: RulePlace, schema: Schema, path: string): FieldError[] {
    if ((schema["x-kubernetes-validations"] ?? []).length === 0) return [];
    const { declared } = place;
    const at = `${path}.x-kubernetes-validations`;
    if (declared === undefined) {
      return [
        {
          type: "InternalError",
          field: at,
          detail:
            "internal error: failed to construct type information for " +
            "x-kubernetes-validations rules: unable to convert structural schema to CEL declarations",
        },
      ];
    }
    const occurrences = place.occurrences ?? BigInt(occurrencesMax(declared));
    return compileRules(structuralOf(schema), declared).flatMap((compiled, index) => {
      const where = `${at}[${index}]`;
      return [
        ...this.#checkCost("rule", `${where}.rule`, compiled.cost * occurrences),
        ...this.#checkExpressions(compiled, where),
        ...checkOldSelf(compiled, place, where),
      ];
    });
  }

  #checkExpressions(
    { rule, error, message, messageError, messageCost }: CompiledRule,
    where: string,
  ): FieldError[] {
    const value = goRule(rule);
    const errors = error === undefined ? [] : [invalid(`${where}.rule`, value, error)];
    const at = `${where}.messageExpression`;
    if (messageError !== undefined) errors.push(invalid(at, value, messageError));
    else if (message !== undefined) {
      errors.push(...this.#checkCost("messageExpression", at, messageCost));
    }
    return errors;
  }

  #checkCost(name: "rule" | "messageExpression", path: string, cost: bigint): FieldError[] {
    this.#total += cost;
    if (cost >= ESTIMATED_RULES_COST_MAX / 100n) {
      this.#expensive = [...this.#expensive, { path, cost }]
        .sort((a, b) => (a.cost === b.cost ? 0 : a.cost < b.cost ? 1 : -1))
        .slice(0, NAMED_RULES_MAX);
    }
    if (!this.#limitsEach || cost <= ESTIMATED_RULE_COST_MAX) return [];
    return [forbidden(path, excess(`estimated ${name} cost`, cost, ESTIMATED_RULE_COST_MAX))];
  }

  /** The errors of all rules together. */
  finish(path: string): FieldError[] {
    if (this.#total <= ESTIMATED_RULES_COST_MAX) return [];
    return [
      ...this.#expensive.map((each) =>
        forbidden(
          each.path,
          "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 " +
            "schema",
        ),
      ),
      forbidden(
        path,
        excess(
          "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema",
          this.#total,
          ESTIMATED_RULES_COST_MAX,
        ),
      ),
    ];
  }
}

function excess(name: string, cost: bigint, limit: bigint): string {
  const times = Number(cost) / Number(limit);
  const factor = times > 100 ? "more than 100x" : `${times.toFixed(times < 1.5 ? 6 : 1)}x`;
  return (
    `${name} exceeds budget by factor of ${factor} (try simplifying the rule, or adding ` +
    "maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
  );
}

/** A rule as upstream's errors show it: Go's internal type has no names for JSON. */
const goRule = (rule: ValidationRule): Readonly<Record<string, unknown>> => ({
  Rule: rule.rule,
  Message: rule.message ?? "",
  MessageExpression: rule.messageExpression ?? "",
  Reason: rule.reason ?? null,
  FieldPath: rule.fieldPath ?? "",
  OptionalOldSelf: rule.optionalOldSelf ?? null,
});

/** A rule about a change needs values that correspond to old ones. */
function checkOldSelf(
  { rule, usesOld }: CompiledRule,
  place: RulePlace,
  where: string,
): FieldError[] {
  if (usesOld && place.uncorrelatable !== undefined) {
    const why =
      "oldSelf cannot be used on the uncorrelatable " +
      `portion of the schema within ${place.uncorrelatable}`;
    return [invalid(`${where}.rule`, rule.rule, why)];
  }
  if (usesOld || rule.optionalOldSelf === undefined) return [];
  const why = "may not be set if oldSelf is not used in rule";
  return [invalid(`${where}.optionalOldSelf`, rule.optionalOldSelf, why)];
}
