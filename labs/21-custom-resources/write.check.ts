import type {
  CustomResourceDefinitionNames,
  JSONSchemaProps,
} from "@raft2kube/api/gen/apiextensions/v1.ts";
import { acceptNames } from "@raft2kube/apiextensions/conditions.ts";
import { Correlated } from "@raft2kube/apiextensions/correlate.ts";
import { structuralOf } from "@raft2kube/apiextensions/structural.ts";
import { validateValue } from "@raft2kube/apiextensions/validate.ts";
import { check } from "../check.ts";
import { as, clauses, flag, number, optional, text } from "../clauses.ts";
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

type Names = Partial<CustomResourceDefinitionNames>;
type Given = Parameters<typeof website>;

const { ratcheted, same, generations, conflicts, established } = clauses(import.meta, {
  ratcheted: { old: as<Value>(), value: as<Value>(), expected: as<readonly string[]>(), why: text },
  same: { old: as<Value>(), value: as<Value>(), expected: flag },
  generations: {
    old: as<Given>(),
    value: as<Given>(),
    hasStatus: flag,
    expected: optional(number),
    why: text,
  },
  conflicts: {
    wanted: as<Names>(),
    given: optional(as<Names>()),
    others: as<Names>(),
    message: text,
    why: text,
  },
  established: {
    wanted: as<Names>(),
    before: as<"True" | "False" | "absent">(),
    expected: text,
    why: text,
  },
});

check("ratcheting: what did not change keeps passing", () => {
  const schema = structuralOf(STRICT);
  for (const { old, value, expected, why } of ratcheted) {
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
  for (const { old, value, expected } of same) {
    mustEqual(new Correlated(value, old, schema).same, expected, {
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

check("generation: it counts the changes of what is wanted", () => {
  for (const { old, value, hasStatus, expected, why } of generations) {
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

check("names: a short name belongs to the first that had it", () => {
  for (const { wanted, given, others, message, why } of conflicts) {
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
  for (const { wanted, before, expected, why } of established) {
    const crd = definition(wanted, {}, before);
    const { status, reason } = acceptNames(crd, taken).established;
    mustEqual(`${status}, ${reason}`, expected, {
      when: `wanted ${JSON.stringify(wanted)}, "web" is another's, Established was ${before}`,
      why,
      body: "establishedOf",
    });
  }
});
