import { kindOf } from "@raft2kube/api/kinds.ts";
import { expect, it } from "vitest";
import { ODDITIES_MAX, ODDITY_CHARACTERS_MAX } from "../limits.ts";
import { conflictError } from "./conflicts.ts";
import { doubledItems } from "./doubled-items.ts";
import { FieldSet } from "./field-set.ts";
import { mistyped } from "./mistyped.ts";
import { rootPlace } from "./place.ts";

const LONG = "x".repeat(100_000);
const place = rootPlace(kindOf("", "v1", "Pod")!.schema);
const pod = (env: object[]) => ({ spec: { containers: [{ name: LONG, env }] } });
const many = <T>(item: T): T[] => Array.from({ length: 3 * ODDITIES_MAX }, () => item);

/** Room for upstream's words around a path and a key. */
const LINE_MAX = 2 * ODDITY_CHARACTERS_MAX + 200;

it("equal items below a long key are a few, by so much of their path", () => {
  const found = doubledItems(place, pod(many({ name: "a" })));
  expect(found).toHaveLength(ODDITIES_MAX);
  expect(found[0]!.startsWith(`.spec.containers[name="xxx`)).toBe(true);
  expect(Math.max(...found.map(({ length }) => length))).toBeLessThan(LINE_MAX);
  const doubled = doubledItems(place, pod(many({ name: LONG })));
  expect(Math.max(...doubled.map(({ length }) => length))).toBeLessThan(LINE_MAX);
});

it("wrong types below a long key are a few, by so much of their path", () => {
  const shape = { is: "map", of: { is: "map", of: { is: "scalar", scalar: "string" } } } as const;
  const wrong = Object.fromEntries(many(1).map((value, at) => [`${at}`, value]));
  const found = mistyped(shape as never, { [LONG]: wrong });
  expect(found).toHaveLength(ODDITIES_MAX);
  expect(Math.max(...found.map(({ length }) => length))).toBeLessThan(LINE_MAX);
});

it("conflicts below a long key are a few, by so much of their path, and counted", () => {
  const below = Object.fromEntries(many({}).map((value, at) => [`f:${at}`, value]));
  const owner = {
    manager: LONG,
    operation: "Update",
    subresource: "",
    apiVersion: "v1",
    time: undefined,
    fields: FieldSet.fromJson({ [`k:{"name":"${LONG}"}`]: below }),
  } as const;
  const { status } = conflictError([{ owner, fields: owner.fields }]);
  const text = JSON.stringify(status);
  expect(status.details?.causes).toHaveLength(ODDITIES_MAX);
  expect(status.message).toMatch(/^Apply failed with 300 conflicts: conflicts with "xxx/);
  expect(status.message).toMatch(/\n200 more$/);
  expect(text.length).toBeLessThan(2 * ODDITIES_MAX * LINE_MAX);
});

it("a whole number beyond 2^53 is a number", () => {
  const shape = { is: "map", of: { is: "scalar", scalar: "int64" } } as const;
  expect(mistyped(shape as never, { a: 2n ** 53n, b: 1.5 } as never)).toEqual([]);
});
