import type { JSONSchemaProps } from "@raft2kube/api/gen/apiextensions/v1.ts";
import { applyDefaults } from "@raft2kube/apiextensions/defaults.ts";
import { validateLists } from "@raft2kube/apiextensions/lists.ts";
import { prune } from "@raft2kube/apiextensions/prune.ts";
import { structuralOf } from "@raft2kube/apiextensions/structural.ts";
import { check } from "../check.ts";
import { as, clauses, text } from "../clauses.ts";
import { mustEqual } from "../must.ts";
import type { Value } from "./website.ts";

/** A schema from the tables, where it is short. */
function schemaOf(given: unknown): JSONSchemaProps {
  if (typeof given === "string") return { type: given };
  if (Array.isArray(given)) return { type: "array", items: schemaOf(given[0]) };
  const members = given as Record<string, unknown>;
  const each = (all: unknown, read: (name: string, value: unknown) => unknown) =>
    Object.fromEntries(Object.entries(all as object).map(([name, one]) => [name, read(name, one)]));
  const schemasOf = (all: unknown) => each(all, (_, one) => schemaOf(one));
  if (members["type"] === undefined) {
    return { type: "object", properties: schemasOf(members) as Record<string, JSONSchemaProps> };
  }
  return each(members, (name, value) => {
    if (name === "properties") return schemasOf(value);
    return name === "items" || name === "additionalProperties" ? schemaOf(value) : value;
  });
}

const result = { schema: schemaOf, given: as<Value>(), expected: as<Value>(), why: text };
const { pruned, defaulted, lists } = clauses(import.meta, {
  pruned: result,
  defaulted: result,
  lists: result,
});

check("prune: what the schema does not have is removed", () => {
  for (const { schema, given, expected, why } of pruned) {
    const result = structuredClone(given) as object;
    prune(structuralOf(schema), result);
    mustEqual(result, expected, { when: shown(schema, given), why });
  }
});

check("prune: the paths of removed fields are told", () => {
  const given = { spec: { b: 1, pages: [{}, { x: 1 }], a: { c: 1 } }, more: 1 };
  const schema = schemaOf({ spec: { pages: [{}] } });
  const removed = prune(structuralOf(schema), structuredClone(given));
  mustEqual(removed, ["more", "spec.a", "spec.b", "spec.pages[1].x"], {
    when: `the paths that prune returns: ${shown(schema, given)}`,
    why: "kubectl apply warns of each; with --validate=strict they are the error",
  });
});

check("defaults: what is absent is filled in", () => {
  for (const { schema, given, expected, why } of defaulted) {
    const result = structuredClone(given);
    applyDefaults(structuralOf(schema), result);
    mustEqual(result, expected, { when: shown(schema, given), why });
  }
});

interface Tagged {
  spec: { tags?: Record<string, string> };
}

check("defaults: no two objects share one", () => {
  const schema = structuralOf(
    schemaOf({ spec: { tags: { type: "object", default: { a: "1" } } } }),
  );
  const one: Tagged = { spec: {} };
  const other: Tagged = { spec: {} };
  applyDefaults(schema, one);
  if (one.spec.tags) one.spec.tags["a"] = "changed";
  applyDefaults(schema, other);
  mustEqual(
    other.spec.tags,
    { a: "1" },
    {
      when: "two objects get the default {a: 1}, the first is changed, then the second gets its own",
      why: "a write to one object would change the schema, and with it all later objects",
    },
  );
});

check("lists: the items of sets and maps are unique", () => {
  for (const { schema, given, expected, why } of lists) {
    const fields = validateLists(structuralOf(schema), given).map(({ field }) => field);
    mustEqual(fields, expected, { when: `doubled items: ${shown(schema, given)}`, why });
  }
});

function shown(schema: JSONSchemaProps, given: unknown): string {
  return `${JSON.stringify(given)} by the schema ${JSON.stringify(schema.properties)}`;
}
