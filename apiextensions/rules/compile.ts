/** Compiles the rules (x-kubernetes-validations) of one place of a schema. */
import type { ValidationRule } from "@raft2kube/api/gen/apiextensions/v1.ts";
import { countCompiling } from "@raft2kube/cel/budget.ts";
import type { Environment, Program } from "@raft2kube/cel/environment.ts";
import { KUBERNETES } from "@raft2kube/cel/libraries/kubernetes.ts";
import { DeclaredSizes, type DeclaredType, DeclaredTypes } from "@raft2kube/cel/schema-types.ts";
import { optionalOf, type Type } from "@raft2kube/cel/types.ts";
import { memberSchema } from "../defaults.ts";
import { schemaAt } from "../definition/field-path.ts";
import { PLACE_STEPS } from "../limits.ts";
import type { Structural } from "../structural.ts";

/** One rule, compiled: its program, or the reason that there is none. */
export interface CompiledRule {
  readonly rule: ValidationRule;
  /** The program; an empty rule and one with an `error` have none. */
  readonly program?: Program;
  readonly error?: string;
  /** Whether the rule is about a change: it refers to `oldSelf`. */
  readonly usesOld: boolean;
  /** The highest cost of one evaluation. */
  readonly cost: bigint;
  readonly message?: Program;
  readonly messageError?: string;
  readonly messageCost: bigint;
  /** Where the rule's error is reported, below the value. */
  readonly fieldPath: string;
}

export function compileRules(schema: Structural, declared: DeclaredType): CompiledRule[] {
  const { rules = [] } = schema;
  if (rules.length === 0) return [];
  const place = new Place(declared);
  return rules.map((rule) => place.compile(rule, schema));
}

const NOT_COMPILED = { usesOld: false, cost: 0n, messageCost: 0n, fieldPath: "" };

/** The environments of rules at a place. */
class Place {
  readonly #type: Type;
  readonly #sizes: DeclaredSizes;
  readonly #base: Environment;
  readonly #environments = new Map<boolean, Environment>();

  constructor(declared: DeclaredType) {
    this.#type = declared.type;
    this.#sizes = new DeclaredSizes(declared);
    const provider = new DeclaredTypes(declared);
    countCompiling(PLACE_STEPS + provider.size);
    this.#base = KUBERNETES.extend({ variables: { self: declared.type }, provider });
  }

  compile(rule: ValidationRule, schema: Structural): CompiledRule {
    if (rule.rule.trim() === "") return { rule, ...NOT_COMPILED };
    const environment = this.#environment(rule.optionalOldSelf === true);
    const { program, errors } = environment.compile(rule.rule);
    const failed = (error: string): CompiledRule => ({ rule, error, ...NOT_COMPILED });
    if (errors?.isInstantiation === true) {
      return failed(`program instantiation failed: ${errors.message}`);
    }
    if (errors !== undefined) return failed(`compilation failed: ${errors.message}`);
    if (program.type.kind !== "bool") return failed("cel expression must evaluate to a bool");
    return {
      rule,
      program,
      usesOld: this.#usesOld(rule.rule),
      cost: program.estimateCost(this.#sizes).max,
      ...this.#compileMessage(rule, environment),
      fieldPath: pathText(schema, rule.fieldPath ?? ""),
    };
  }

  #environment(optional: boolean): Environment {
    const known = this.#environments.get(optional);
    if (known !== undefined) return known;
    const oldSelf = optional ? optionalOf(this.#type) : this.#type;
    const made = this.#base.extend({ variables: { oldSelf } });
    this.#environments.set(optional, made);
    return made;
  }

  /** Whether an expression that is well-formed with `oldSelf` is not so without it. */
  #usesOld(text: string): boolean {
    return /\boldSelf\b/.test(text) && this.#base.compile(text).errors !== undefined;
  }

  #compileMessage(
    { messageExpression = "" }: ValidationRule,
    environment: Environment,
  ): Pick<CompiledRule, "message" | "messageError" | "messageCost"> {
    if (messageExpression === "") return { messageCost: 0n };
    const { program, errors } = environment.compile(messageExpression);
    if (errors !== undefined) {
      const stage = errors.isInstantiation === true ? "instantiation" : "compilation";
      const messageError = `messageExpression ${stage} failed: ${errors.message}`;
      return { messageError, messageCost: 0n };
    }
    if (program.type.kind !== "string") {
      return { messageError: "messageExpression must evaluate to a string", messageCost: 0n };
    }
    return { message: program, messageCost: program.estimateCost(this.#sizes).max };
  }
}

/** A path that leads somewhere, as errors have it: `.spec.labels['a']` is `spec.labels[a]`. */
function pathText(whole: Structural, text: string): string {
  const found = text === "" ? undefined : schemaAt(whole, text, true);
  if (found === undefined || "wrong" in found) return "";
  let schema: Structural | undefined = whole;
  let path = "";
  for (const name of found.path) {
    const isProperty: boolean = schema?.properties !== undefined;
    path += isProperty ? `.${name}` : `[${name}]`;
    schema = isProperty ? schema?.properties?.get(name) : schema && memberSchema(schema);
  }
  return path.replace(/^\./, "");
}
