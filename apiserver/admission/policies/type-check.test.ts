import { KINDS } from "@raft2kube/api/kinds.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import { expect, it } from "vitest";
import { CountedTurns } from "../../../testing/turns.ts";
import { checkTypes } from "./type-check.ts";

/** A policy about Deployments with these validations. */
const policyOf = (expressions: readonly string[], variables: object[] = []) =>
  ({
    metadata: {},
    spec: {
      matchConstraints: {
        resourceRules: [{ apiGroups: ["apps"], apiVersions: ["v1"], resources: ["deployments"] }],
      },
      variables,
      validations: expressions.map((expression) => ({ expression })),
    },
  }) as unknown as Parameters<typeof checkTypes>[0];

const long = Array.from({ length: 5_000 }, (_, index) => `${index} >= 0`).join(" && ");

it("the types of an expression that takes long to compile are not checked", async () => {
  const variables = [{ name: "long", expression: `${long} && object.none` }];
  const expressions = [`${long} && object.none`, "variables.long && object.none"];
  const found = await checkTypes(policyOf(expressions, variables), KINDS);
  expect(found).toEqual([
    {
      fieldRef: "spec.validations[1].expression",
      warning: expect.stringContaining("undefined field 'none'"),
    },
  ]);
});

it("others run between the expressions of a policy that is checked", async () => {
  let now_ms = 0;
  // Each look at the time finds the slice over.
  const clock = { ...systemClock(), monotonic: () => (now_ms += 1_000) };
  using turns = new CountedTurns();
  const expressions = Array.from({ length: 50 }, () => "object.none");
  const found = await checkTypes(policyOf(expressions), KINDS, new Slices(clock));
  expect(found).toHaveLength(expressions.length);
  expect(turns.now).toBeGreaterThanOrEqual(expressions.length);
});
