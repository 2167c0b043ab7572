/** Compares with upstream on the same values under the same schemas (scripts/schemas/record.go). */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { messageOfField } from "@raft2kube/api/errors.ts";
import type { JSONSchemaProps } from "@raft2kube/api/gen/apiextensions/v1.ts";
import { yamlValue } from "@raft2kube/apimachinery/yaml.ts";
import { describe, expect, test } from "vitest";
import { Correlated } from "./correlate.ts";
import { applyDefaults, dropNulls } from "./defaults.ts";
import { validateStructural } from "./definition/structural-rules.ts";
import { validateEmbedded } from "./embedded.ts";
import { validateLists } from "./lists.ts";
import { prune } from "./prune.ts";
import { structuralOf } from "./structural.ts";
import { validateValue } from "./validate.ts";

interface Group {
  readonly schema: JSONSchemaProps;
  readonly values?: readonly unknown[];
  readonly updates?: readonly (readonly [unknown, unknown])[];
}

interface Answer {
  readonly pruned?: readonly string[];
  readonly result?: object;
  readonly errors?: readonly string[];
}

interface Answers {
  readonly structural?: readonly string[];
  readonly values?: readonly Answer[];
  readonly updates?: readonly Answer[];
}

const read = (name: string) => readFileSync(join(import.meta.dirname, "testdata", name), "utf8");
const groups = yamlValue(read("cases.yaml")) as readonly Group[];
const recorded = JSON.parse(read("recorded.json")) as readonly Answers[];

const wholeOf = (x: JSONSchemaProps): JSONSchemaProps => ({
  type: "object",
  properties: { spec: { type: "object", properties: { x } } },
});
const texts = (errors: Parameters<typeof messageOfField>[0][]) => errors.map(messageOfField).sort();

test("each group has an answer", () => expect(recorded).toHaveLength(groups.length));

const CASES = groups.map(
  (group, index) => [JSON.stringify(group.schema), group, recorded[index]!] as const,
);
const named = <T>(each: T, answer: Answer | undefined) =>
  [JSON.stringify(each), each, answer!] as const;

describe.each(CASES)("%s", (_name, { schema, values = [], updates = [] }, answers) => {
  const whole = wholeOf(schema);
  const structural = structuralOf(whole);

  test("is structural, or not", () => {
    expect(texts(validateStructural(whole, "schema"))).toEqual(answers.structural ?? []);
  });

  test.each(values.map((value, index) => named(value, answers.values?.[index])))(
    "value %s",
    (_text, x, answer) => {
      const object = { spec: { x } };
      expect({
        errors: texts([
          ...validateValue(structural, object),
          ...validateEmbedded(structural, object),
          ...validateLists(structural, object),
        ]),
      }).toEqual({ errors: answer.errors ?? [] });
      const result = structuredClone(object);
      expect(prune(structural, result)).toEqual(answer.pruned ?? []);
      dropNulls(structural, result);
      applyDefaults(structural, result);
      expect(result.spec).toEqual(answer.result);
    },
  );

  test.each(updates.map((pair, index) => named(pair, answers.updates?.[index])))(
    "update %s",
    (_text, [before, after], answer) => {
      const [old, object] = [{ spec: { x: before } }, { spec: { x: after } }];
      const pair = new Correlated(object, old, structural);
      expect(texts(validateValue(structural, object, pair))).toEqual(answer.errors ?? []);
    },
  );
});
