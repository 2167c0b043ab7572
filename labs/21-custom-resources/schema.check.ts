import type { JSONSchemaProps } from "@raft2kube/api/gen/apiextensions/v1.ts";
import { applyDefaults } from "@raft2kube/apiextensions/defaults.ts";
import { validateLists } from "@raft2kube/apiextensions/lists.ts";
import { prune } from "@raft2kube/apiextensions/prune.ts";
import { structuralOf } from "@raft2kube/apiextensions/structural.ts";
import { check } from "../check.ts";
import { mustEqual } from "../must.ts";
import type { Value } from "./website.ts";

const object = (properties: Record<string, JSONSchemaProps>): JSONSchemaProps => ({
  type: "object",
  properties,
});
const spec = (properties: Record<string, JSONSchemaProps>): JSONSchemaProps =>
  object({ spec: object(properties) });
const TEXT: JSONSchemaProps = { type: "string" };
const COUNT: JSONSchemaProps = { type: "integer" };
const KEEPS: JSONSchemaProps = { type: "object", "x-kubernetes-preserve-unknown-fields": true };

/** A schema, an object, what becomes of it, and why. */
type Case = readonly [schema: JSONSchemaProps, given: Value, expected: Value, why: string];

const PRUNED: readonly Case[] = [
  [
    spec({ greeting: TEXT }),
    { spec: { greeting: "hi", gretings: "hi" } },
    { spec: { greeting: "hi" } },
    "a field that no version declares would be stored for ever, and mean something one day",
  ],
  [
    spec({ greeting: TEXT }),
    { apiVersion: "v1", kind: "W", metadata: { name: "a" }, more: 1 },
    { apiVersion: "v1", kind: "W", metadata: { name: "a" } },
    "every object has these three, whatever its schema says",
  ],
  [
    spec({ pages: { type: "array", items: object({ path: TEXT }) } }),
    { spec: { pages: [{ path: "/" }, { path: "/a", pth: "/b" }] } },
    { spec: { pages: [{ path: "/" }, { path: "/a" }] } },
    "items have a schema, too",
  ],
  [
    spec({ labels: { type: "object", additionalProperties: object({ text: TEXT }) } }),
    { spec: { labels: { any: { text: "a", size: 1 }, other: {} } } },
    { spec: { labels: { any: { text: "a" }, other: {} } } },
    "additionalProperties: the names are free, what is below them is not",
  ],
  [
    spec({ extra: KEEPS }),
    { spec: { extra: { a: { b: 1 } }, other: 1 } },
    { spec: { extra: { a: { b: 1 } } } },
    "x-kubernetes-preserve-unknown-fields holds for what is below it, and nowhere else",
  ],
  [
    spec({ extra: { ...KEEPS, properties: { known: object({ a: TEXT }) } } }),
    { spec: { extra: { free: { b: 1 }, known: { a: "1", b: 1 } } } },
    { spec: { extra: { free: { b: 1 }, known: { a: "1" } } } },
    "a property with a schema of its own is pruned again",
  ],
  [
    spec({ template: { type: "object", "x-kubernetes-embedded-resource": true } }),
    { spec: { template: { apiVersion: "v1", kind: "Pod", metadata: {}, spec: {} } } },
    { spec: { template: { apiVersion: "v1", kind: "Pod", metadata: {} } } },
    "an embedded resource has the three fields of every object",
  ],
];

check("prune: what the schema does not have is removed", () => {
  for (const [schema, given, expected, why] of PRUNED) {
    const result = structuredClone(given) as object;
    prune(structuralOf(schema), result);
    mustEqual(result, expected, { when: shown(schema, given), why });
  }
});

check("prune: the paths of removed fields are told", () => {
  const given = { spec: { b: 1, pages: [{}, { x: 1 }], a: { c: 1 } }, more: 1 };
  const schema = spec({ pages: { type: "array", items: object({}) } });
  const removed = prune(structuralOf(schema), structuredClone(given));
  mustEqual(removed, ["more", "spec.a", "spec.b", "spec.pages[1].x"], {
    when: `the paths that prune returns: ${shown(schema, given)}`,
    why: "kubectl apply warns of each; with --validate=strict they are the error",
  });
});

const DEFAULTED: readonly Case[] = [
  [
    spec({ replicas: { ...COUNT, default: 1 } }),
    { spec: {} },
    { spec: { replicas: 1 } },
    "the controller reads what the user left out",
  ],
  [
    spec({ replicas: { ...COUNT, default: 1 } }),
    { spec: { replicas: 0 } },
    { spec: { replicas: 0 } },
    "0 was written; only what is absent gets a default",
  ],
  [
    spec({ replicas: { ...COUNT, default: 1 } }),
    {},
    {},
    "a parent that is absent is not made: it has no default of its own",
  ],
  [
    object({ spec: { ...object({ replicas: { ...COUNT, default: 1 } }), default: {} } }),
    {},
    { spec: { replicas: 1 } },
    "a default gets the defaults of its own members",
  ],
  [
    spec({ pages: { type: "array", items: object({ path: { ...TEXT, default: "/" } }) } }),
    { spec: { pages: [{}, { path: "/a" }] } },
    { spec: { pages: [{ path: "/" }, { path: "/a" }] } },
    "items have defaults, too",
  ],
  [
    spec({
      sizes: { type: "object", additionalProperties: object({ n: { ...COUNT, default: 1 } }) },
    }),
    { spec: { sizes: { a: {}, b: { n: 2 } } } },
    { spec: { sizes: { a: { n: 1 }, b: { n: 2 } } } },
    "so have members with free names",
  ],
  [
    spec({ replicas: { ...COUNT, default: 1 } }),
    { spec: { replicas: null } },
    { spec: { replicas: 1 } },
    "null where it is not allowed counts as absent",
  ],
  [
    spec({ replicas: { ...COUNT, default: 1, nullable: true } }),
    { spec: { replicas: null } },
    { spec: { replicas: null } },
    "where it is allowed, null is a value",
  ],
  [
    spec({ sizes: { type: "array", items: { ...COUNT, default: 1 } } }),
    { spec: { sizes: [2, null] } },
    { spec: { sizes: [2, 1] } },
    "a null among items gets the default: its place cannot go",
  ],
];

check("defaults: what is absent is filled in", () => {
  for (const [schema, given, expected, why] of DEFAULTED) {
    const result = structuredClone(given);
    applyDefaults(structuralOf(schema), result);
    mustEqual(result, expected, { when: shown(schema, given), why });
  }
});

interface Tagged {
  spec: { tags?: Record<string, string> };
}

check("defaults: no two objects share one", () => {
  const schema = structuralOf(spec({ tags: { type: "object", default: { a: "1" } } }));
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

const SET: JSONSchemaProps = { type: "array", items: TEXT, "x-kubernetes-list-type": "set" };
const MAP: JSONSchemaProps = {
  type: "array",
  items: object({ port: COUNT, protocol: TEXT }),
  "x-kubernetes-list-type": "map",
  "x-kubernetes-list-map-keys": ["port", "protocol"],
};

const LISTS: readonly Case[] = [
  [
    object({ l: SET }),
    { l: ["a", "b", "a", "a"] },
    ["l[2]"],
    "server-side apply adds and removes items of a set one by one; told is the second occurrence",
  ],
  [object({ l: SET }), { l: ["a", "A"] }, [], "these are two values"],
  [
    object({ l: MAP }),
    {
      l: [
        { port: 80, protocol: "TCP" },
        { port: 80, protocol: "UDP" },
      ],
    },
    [],
    "the key is all of x-kubernetes-list-map-keys",
  ],
  [
    object({ l: MAP }),
    {
      l: [
        { protocol: "TCP", port: 80 },
        { port: 80, protocol: "TCP", n: 1 },
      ],
    },
    ["l[1]"],
    "other members do not make a key different, nor does their order",
  ],
  [
    object({ l: MAP }),
    { l: [{ port: 80 }, { port: 80, protocol: "" }] },
    [],
    "an absent member of the key is not an empty one",
  ],
  [
    object({ l: MAP }),
    { l: [{ port: 80 }, { port: 80 }] },
    ["l[1]"],
    "two items without the same member have the same key",
  ],
  [
    object({ l: { ...SET, "x-kubernetes-list-type": "atomic" } }),
    { l: ["a", "a"] },
    [],
    "an atomic list is replaced as a whole: it may have anything",
  ],
];

check("lists: the items of sets and maps are unique", () => {
  for (const [schema, given, expected, why] of LISTS) {
    const fields = validateLists(structuralOf(schema), given).map(({ field }) => field);
    mustEqual(fields, expected, { when: `doubled items: ${shown(schema, given)}`, why });
  }
});

function shown(schema: JSONSchemaProps, given: unknown): string {
  return `${JSON.stringify(given)} by the schema ${JSON.stringify(schema.properties)}`;
}
