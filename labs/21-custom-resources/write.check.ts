import type {
  CustomResourceDefinitionNames,
  JSONSchemaProps,
} from "@raft2kube/api/gen/apiextensions/v1.ts";
import { acceptNames } from "@raft2kube/apiextensions/conditions.ts";
import { Correlated } from "@raft2kube/apiextensions/correlate.ts";
import { structuralOf } from "@raft2kube/apiextensions/structural.ts";
import { validateValue } from "@raft2kube/apiextensions/validate.ts";
import { check } from "../check.ts";
import { mustEqual } from "../must.ts";
import { definition, replaced, type Value, website, withStatusOf } from "./website.ts";

const PAGES: JSONSchemaProps = {
  type: "array",
  "x-kubernetes-list-type": "map",
  "x-kubernetes-list-map-keys": ["path"],
  items: {
    type: "object",
    properties: { path: { type: "string" }, title: { type: "string", maxLength: 3 } },
  },
};
const STRICT: JSONSchemaProps = {
  type: "object",
  properties: {
    greeting: { type: "string", maxLength: 5 },
    tier: { type: "string", enum: ["a", "b"] },
    pages: PAGES,
    tags: { type: "array", items: { type: "string", maxLength: 3 } },
  },
};

/** The old object, the new one, the fields with errors, and why. */
type Update = readonly [old: Value, value: Value, errors: readonly string[], why: string];

const RATCHETED: readonly Update[] = [
  [
    { greeting: "much too long" },
    { greeting: "much too long", tier: "a" },
    [],
    "the schema became stricter: what is there already must not stop other changes",
  ],
  [
    { greeting: "much too long" },
    { greeting: "too long, too" },
    ["greeting"],
    "what changes has to be right",
  ],
  [
    { tier: "a" },
    { greeting: "much too long", tier: "a" },
    ["greeting"],
    "what is new has to be right",
  ],
  [
    { pages: [{ path: "/", title: "long" }] },
    {
      pages: [
        { path: "/a", title: "a" },
        { path: "/", title: "long" },
      ],
    },
    [],
    "the item of the same key is the old one, wherever it stands now",
  ],
  [
    { pages: [{ path: "/", title: "long" }] },
    { pages: [{ path: "/a", title: "long" }] },
    ["pages[0].title"],
    "another key is another item",
  ],
  [
    { pages: [{ path: "/", title: "long" }, { path: "/a" }] },
    { pages: [{ path: "/a" }, { path: "/", title: "longer" }] },
    ["pages[1].title"],
    "the item is the old one, and its title changed",
  ],
  [
    { tags: ["long"] },
    { tags: ["a", "long"] },
    ["tags[1]"],
    "items of a plain list have no identity: the list changed, so all of it has to be right",
  ],
  [{ tags: ["long"] }, { tags: ["long"], tier: "b" }, [], "this list did not change"],
];

check("ratcheting: what did not change keeps passing", () => {
  const schema = structuralOf(STRICT);
  for (const [old, value, expected, why] of RATCHETED) {
    const fields = validateValue(schema, value, new Correlated(value, old, schema)).map(
      ({ field }) => field,
    );
    mustEqual(fields, expected, {
      when: `${JSON.stringify(old)} becomes ${JSON.stringify(value)}: fields with errors`,
      why,
    });
  }
});

check("ratcheting: a map in another order did not change", () => {
  const schema = structuralOf(PAGES);
  const [one, other] = [
    { path: "/", title: "a" },
    { path: "/a", title: "b" },
  ];
  const same = (old: Value, value: Value) => new Correlated(value, old, schema).same;
  const rows: readonly (readonly [Value, Value, boolean])[] = [
    [[one, other], [other, one], true],
    [[one], [one, other], false],
    [[one, other], [one], false],
    [[one], [{ path: "/", title: "b" }], false],
    [[], [], true],
  ];
  for (const [old, value, expected] of rows) {
    mustEqual(same(old, value), expected, {
      when: `${JSON.stringify(old)} becomes ${JSON.stringify(value)}: whether nothing changed`,
      why: "a transition rule about the list runs only when the list changed",
    });
  }
});

check("status: each of the two resources changes its own half", () => {
  const old = website({ spec: { n: 1 }, status: { ready: 1 } }, { generation: 3 });
  const wanted = website(
    { spec: { n: 2 }, status: { ready: 2 } },
    { labels: { a: "1" }, resourceVersion: "7" },
  );
  mustEqual(
    replaced(old, wanted),
    website(
      { spec: { n: 2 }, status: { ready: 1 } },
      { labels: { a: "1" }, resourceVersion: "7", generation: 4 },
    ),
    {
      when: "a write to the website changes spec, status and a label",
      why: "the user says what is wanted, and cannot claim that it is so already",
      body: "prepareUpdate",
    },
  );
  mustEqual(
    withStatusOf(old, wanted),
    website({ spec: { n: 1 }, status: { ready: 2 } }, { generation: 3, resourceVersion: "7" }),
    {
      when: "a write to its /status changes the same",
      why:
        "the controller says what is there, and cannot change what is wanted, nor a label; the " +
        "resource version of the request is what the write is conditional on",
      body: "replaceStatus",
    },
  );
  mustEqual("status" in withStatusOf(old, website({ spec: {} })), false, {
    when: "a write to /status has no status: whether the object still has one",
    why: "the status is replaced, and not merged",
    body: "replaceStatus",
  });
});

/** Old and new fields, old and new generation. */
const GENERATIONS: readonly (readonly [
  old: Parameters<typeof website>,
  value: Parameters<typeof website>,
  hasStatus: boolean,
  expected: number | undefined,
  why: string,
])[] = [
  [
    [{ spec: { n: 1 } }, { generation: 1 }],
    [{ spec: { n: 2 } }],
    true,
    2,
    "what is wanted changed: observedGeneration shows whether the controller has seen it",
  ],
  [
    [{ spec: { n: 1 } }, { generation: 1 }],
    [{ spec: { n: 1 } }, { labels: { a: "1" } }],
    true,
    1,
    "labels are not what is wanted",
  ],
  [
    [{ spec: {}, status: { a: 1 } }, { generation: 1 }],
    [{ spec: {}, status: { a: 2 } }],
    true,
    1,
    "the status is not written here",
  ],
  [
    [{ spec: {}, status: { a: 1 } }, { generation: 1 }],
    [{ spec: {}, status: { a: 2 } }],
    false,
    2,
    "without the subresource, status is a field like every other",
  ],
  [
    [{ spec: {} }, { generation: 5 }],
    [{ spec: {} }, { generation: 99 }],
    true,
    5,
    "the server counts, not the client",
  ],
  [[{ spec: {} }], [{ spec: {} }], true, undefined, "an old object has none until it changes"],
];

check("generation: it counts the changes of what is wanted", () => {
  for (const [old, value, hasStatus, expected, why] of GENERATIONS) {
    const after = replaced(website(...old), website(...value), hasStatus);
    mustEqual(after.metadata.generation, expected, {
      when:
        `${JSON.stringify(old)} becomes ${JSON.stringify(value)}, ` +
        `${hasStatus ? "with" : "without"} a status subresource: the generation`,
      why,
      body: "prepareUpdate",
    });
  }
});

type Names = Partial<CustomResourceDefinitionNames>;

const CONFLICTS: readonly (readonly [
  wanted: Names,
  given: Names | undefined,
  others: Names,
  message: string,
  why: string,
])[] = [
  [
    { shortNames: ["web"] },
    undefined,
    { shortNames: ["w"] },
    "no conflicts found",
    "the names are free",
  ],
  [
    { shortNames: ["web"] },
    undefined,
    { shortNames: ["web"] },
    `"web" is already in use`,
    "kubectl get web would be one or the other: who came first has it",
  ],
  [
    { shortNames: ["web"] },
    undefined,
    { plural: "web" },
    `"web" is already in use`,
    "plural, singular and short names are names of one kind to kubectl",
  ],
  [
    { shortNames: ["web"] },
    { shortNames: ["web"] },
    { shortNames: ["web"] },
    "no conflicts found",
    "names that were given are not taken away",
  ],
  [
    { shortNames: ["web", "w"] },
    { shortNames: ["web"] },
    { shortNames: ["web", "w"] },
    `"w" is already in use`,
    "only the new one is in the way",
  ],
  [
    { shortNames: ["w", "web", "w"] },
    undefined,
    { shortNames: ["web", "w"] },
    `["w" is already in use, "web" is already in use]`,
    "each name is told once",
  ],
];

check("names: a short name belongs to the first that had it", () => {
  for (const [wanted, given, others, message, why] of CONFLICTS) {
    const { namesAccepted } = acceptNames(
      definition(wanted, given && { plural: "websites", kind: "Website", ...given }),
      [definition({ plural: "others", kind: "Other" }, { plural: "others", ...others })],
    );
    mustEqual(namesAccepted.message, message, {
      when:
        `wanted ${JSON.stringify(wanted)}, had ${JSON.stringify(given ?? {})}, another ` +
        `definition has ${JSON.stringify(others)}: NamesAccepted`,
      why,
      body: "conflictsOf",
    });
  }
});

check("names: what is established stays so", () => {
  const taken = [definition({ plural: "others", kind: "Other" }, { shortNames: ["web"] })];
  const rows: readonly (readonly [Names, "True" | "False" | "absent", string, string])[] = [
    [{}, "absent", "False, Installing", "the names are accepted; it is served a moment later"],
    [{ shortNames: ["web"] }, "absent", "False, NotAccepted", "nothing is served under no name"],
    [
      { shortNames: ["web"] },
      "True",
      "True, InitialNamesAccepted",
      "objects exist: a later conflict of names must not take them away",
    ],
    [{}, "True", "True, InitialNamesAccepted", "it is served already"],
    [{}, "False", "False, Installing", "the conflict is over"],
    [
      { shortNames: ["web"] },
      "False",
      "False, InitialNamesAccepted",
      "it was not established before, and nothing is better now",
    ],
  ];
  for (const [wanted, before, expected, why] of rows) {
    const crd = definition(wanted, {}, before);
    const { established } = acceptNames(crd, taken);
    mustEqual(`${established.status}, ${established.reason}`, expected, {
      when: `wanted ${JSON.stringify(wanted)}, "web" is another's, Established was ${before}`,
      why,
      body: "establishedOf",
    });
  }
});
