import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { JSONSchemaProps, ValidationRule } from "@raft2kube/api/gen/apiextensions/v1.ts";
import { CompiledLater } from "@raft2kube/cel/budget.ts";
import { declaredType, occurrencesMax } from "@raft2kube/cel/schema-types.ts";
import { parseExact } from "@raft2kube/std/exact-json.ts";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { isCollected } from "../../testing/is-collected.ts";
import { Correlated } from "../correlate.ts";
import { COMPILED_VERSIONS_MAX } from "../limits.ts";
import { structuralOf } from "../structural.ts";
import { compileRules } from "./compile.ts";
import { checkRules, ruleCheck, ruleNode } from "./validate.ts";

/** Reads the answers of upstream's functions in its own tests (scripts/cel-answers.ts). */
function recorded<T>(name: string): readonly T[] {
  return parseExact(
    readFileSync(join(import.meta.dirname, "../testdata", name), "utf8"),
  ) as readonly T[];
}

interface Case<T> {
  readonly rules: readonly ValidationRule[];
  readonly results: readonly T[];
}

interface Compilation {
  readonly error?: string;
  readonly cost?: number | bigint;
  readonly cardinality?: number;
  readonly usesOld?: boolean;
  readonly messageError?: string;
  readonly messageCost?: number;
  readonly fieldPath?: string;
}

interface Compilations {
  readonly schema: JSONSchemaProps;
  readonly cases: readonly Case<Compilation>[];
}

type Failure = { readonly Type: string; readonly Field: string; readonly Detail: string };

interface Validations {
  readonly schema: JSONSchemaProps;
  readonly root: boolean;
  readonly limit: number;
  readonly budget: number | bigint;
  readonly path: string;
  readonly object: unknown;
  readonly old: unknown;
  readonly ratchets: boolean;
  readonly cases: readonly {
    readonly rules: readonly ValidationRule[];
    readonly errors: readonly Failure[];
    readonly left: number | bigint;
  }[];
}

/** Rules that end otherwise here, by a part of their text and why. */
const DIFFERENT: Readonly<Record<string, string>> = {
  "== self.val1 == self.val1": "the error of nesting has other words",
  "dyn([1,2,3,4]).flatten()": "items that are no lists are refused where the type was not checked",
  "has(self.o)": "values are of their type, as validation goes before rules",
  "has(self.m)": "the same",
  "has(self.l)": "the same",
  "has(self.s)": "the same",
  "has(self.lm)": "the same",
  "has(self.intorstring)": "the same",
  "self.nullable[0]": "the same",
  "string(self.val11)": "timestamps do not keep the zone that they were written in",
  "340282346638528859811704183484516925440": "JSON has no numbers of 32 bits",
};

function isDifferent(rules: readonly ValidationRule[]): boolean {
  return rules.some(({ rule }) => Object.keys(DIFFERENT).some((part) => rule.includes(part)));
}

function titleOf(rules: readonly ValidationRule[], schema: JSONSchemaProps): string {
  return JSON.stringify(rules.length > 0 ? rules.map(({ rule }) => rule) : schema).slice(0, 200);
}

const compilations = recorded<Compilations>("rule-costs.json").flatMap(({ schema, cases }) =>
  cases
    .filter(({ rules }) => !isDifferent(rules))
    .map(({ rules, results }) => ({ title: titleOf(rules, schema), schema, rules, results })),
);

describe("rules compile, and cost at most, as upstream's", () => {
  it.each(compilations)("$title", ({ schema, rules, results }) => {
    const structural = { ...structuralOf(schema), rules };
    const declared = declaredType(structural, "selfType", true)!;
    const ours = compileRules(structural, declared).map(
      (each): Compilation => ({
        ...(each.error !== undefined && { error: each.error }),
        ...(each.program !== undefined && { cardinality: occurrencesMax(declared) }),
        // Go's JSON of the recording has all digits of an uint64, JavaScript's numbers have not.
        ...(each.cost > 0n && { cost: Number(each.cost) }),
        ...(each.usesOld && { usesOld: true }),
        ...(each.messageError !== undefined && { messageError: each.messageError }),
        ...(each.messageCost > 0n && { messageCost: Number(each.messageCost) }),
        ...(each.fieldPath !== "" && { fieldPath: each.fieldPath }),
      }),
    );
    expect(ours).toEqual(
      results.map(({ cost, ...rest }) => ({
        ...rest,
        ...(cost !== undefined && { cost: Number(cost) }),
      })),
    );
  });
});

const validations = recorded<Validations>("rule-outcomes.json").flatMap(({ cases, ...about }) =>
  cases
    .filter(({ rules }) => !isDifferent(rules))
    .map((each) => ({ title: titleOf(each.rules, about.schema), ...about, ...each })),
);

describe("rules about objects end, and cost, as upstream's", () => {
  it.each(validations)("$title", ({ schema, rules, errors, left, ...given }) => {
    const structural = { ...structuralOf(schema), rules };
    const node = ruleNode(structural, given.root);
    const pair = given.ratchets ? new Correlated(given.object, given.old, structural) : undefined;
    // Some tests have no limit: 2^63 - 1.
    const budget = Number(given.budget);
    const limits = { ruleCost: given.limit, totalCost: budget };
    const path = given.path === "<nil>" ? "" : given.path;
    const ours =
      node === undefined
        ? { errors: [], left: budget }
        : checkRules(node, given.object, given.old, pair, limits, path);
    const texts = ours.errors.map(({ type, field, detail }) => `${type} ${field} ${detail}`);
    expect(texts.sort()).toEqual(
      errors.map(({ Type, Field, Detail }) => `${Type} ${Field} ${Detail}`).sort(),
    );
    expect(ours.left).toBe(Number(left));
  });
});

it("the rules of the versions that were used most recently stay compiled", () => {
  const forget = vi.spyOn(CompiledLater.prototype, "forget");
  onTestFinished(() => forget.mockRestore());
  const object = { metadata: { name: "a" } };
  const write = () => {
    const schema = structuralOf({ type: "object" });
    const check = ruleCheck({ ...schema, rules: [{ rule: "false" }] })!;
    return () => check(object, undefined, undefined, {});
  };
  // Others of this process have versions that are kept too.
  const checks = Array.from({ length: COMPILED_VERSIONS_MAX }, write);
  for (const check of checks) check();
  forget.mockClear();
  for (const check of checks) check();
  expect(forget).not.toHaveBeenCalled();
  write()();
  expect(forget).toHaveBeenCalledOnce();
  for (const check of checks.slice(1)) check();
  expect(forget).toHaveBeenCalledOnce();
  expect(checks[0]!()).toHaveLength(1);
  expect(forget).toHaveBeenCalledTimes(2);
});

it("the schema of a version that is no longer served is not kept for its rules", async () => {
  const used = () => {
    const schema = { ...structuralOf({ type: "object" }), rules: [{ rule: "false" }] };
    expect(ruleCheck(schema)!({ metadata: {} }, undefined, undefined, {})).toHaveLength(1);
    return schema;
  };
  expect(await isCollected(used)).toBe(true);
});
