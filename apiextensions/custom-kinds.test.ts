import { decodeJson } from "@raft2kube/api/codec/json.ts";
import { messageOfField } from "@raft2kube/api/errors.ts";
import type { CustomResourceDefinition } from "@raft2kube/api/gen/apiextensions/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { expect, test } from "vitest";
import { type CustomKind, customKinds } from "./custom-kinds.ts";

const PATTERN = "^(\\d+|\\*)(/\\d+)?(\\s+(\\d+|\\*)(/\\d+)?){4}$";
const names = { plural: "crontabs", singular: "crontab", kind: "CronTab", listKind: "CronTabList" };

const crd: CustomResourceDefinition = {
  metadata: { name: "crontabs.stable.example.com", uid: "1" },
  spec: {
    group: "stable.example.com",
    names,
    scope: "Namespaced",
    versions: [
      {
        name: "v1",
        served: true,
        storage: true,
        subresources: {
          status: {},
          scale: {
            specReplicasPath: ".spec.replicas",
            statusReplicasPath: ".status.replicas",
            labelSelectorPath: ".status.selector",
          },
        },
        selectableFields: [{ jsonPath: ".spec.cronSpec" }],
        additionalPrinterColumns: [
          { name: "Spec", type: "string", jsonPath: ".spec.cronSpec" },
          {
            name: "Ready",
            type: "string",
            jsonPath: '.status.conditions[?(@.type=="Ready")].status',
          },
          { name: "Age", type: "date", jsonPath: ".metadata.creationTimestamp" },
        ],
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: {
              spec: {
                type: "object",
                required: ["cronSpec"],
                properties: {
                  cronSpec: { type: "string", pattern: PATTERN },
                  image: { type: "string", default: "busybox" },
                  replicas: { type: "integer", minimum: 1, maximum: 10 },
                },
              },
              status: {
                type: "object",
                properties: {
                  replicas: { type: "integer" },
                  selector: { type: "string" },
                  conditions: {
                    type: "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["type"],
                    items: {
                      type: "object",
                      required: ["type"],
                      properties: { type: { type: "string" }, status: { type: "string" } },
                    },
                  },
                },
              },
            },
          },
        },
      },
      {
        name: "v1beta1",
        served: true,
        storage: false,
        deprecated: true,
        schema: {
          openAPIV3Schema: {
            type: "object",
            properties: { spec: { type: "object", properties: { cronSpec: { type: "string" } } } },
          },
        },
      },
      { name: "v2alpha1", served: false, storage: false },
    ],
  },
  status: { conditions: [], acceptedNames: names, storedVersions: ["v1"] },
};

interface CronTab extends KubeObject {
  spec?: Record<string, unknown>;
  status?: Record<string, unknown>;
}

const [v1, beta] = customKinds(crd) as [CustomKind, CustomKind];
const context = { now_ms: 0 };

function cronTab(spec: Record<string, unknown>, more: object = {}): CronTab {
  return {
    apiVersion: "stable.example.com/v1",
    kind: "CronTab",
    metadata: { name: "my", namespace: "default" },
    spec,
    ...more,
  };
}

const texts = (errors: Parameters<typeof messageOfField>[0][]) => errors.map(messageOfField);

test("each served version is a kind of the accepted names", () => {
  expect(v1).toMatchObject({
    group: "stable.example.com",
    version: "v1",
    ...names,
    namespaced: true,
    deprecated: undefined,
    storage: { prefix: "stable.example.com/crontabs", as: { version: "v1" } },
  });
  expect(beta.deprecated).toBe(
    "stable.example.com/v1beta1 CronTab is deprecated; use stable.example.com/v1 CronTab",
  );
  expect(customKinds(crd)).toHaveLength(2);
});

test("decoding prunes unknown fields and names them, and leaves the given value alone", () => {
  const given = cronTab({ cronSpec: "* * * * *", imag: 1 });
  const { object, unknownFields } = decodeJson<CronTab>(v1.schema, given);
  expect(unknownFields).toEqual(["spec.imag"]);
  expect(object.spec).toEqual({ cronSpec: "* * * * *" });
  expect(given.spec).toHaveProperty("imag");
});

test("defaults are filled in, and a created object has generation 1 and no status", () => {
  const object = cronTab({ cronSpec: "* * * * *" }, { status: { replicas: 1 } });
  v1.strategy.defaults(object);
  v1.strategy.prepareCreate(object, context);
  expect(object).toEqual(
    cronTab(
      { cronSpec: "* * * * *", image: "busybox" },
      { metadata: { name: "my", namespace: "default", generation: 1 } },
    ),
  );
  expect(v1.strategy.validateCreate(object, context)).toEqual([]);
});

test("a wrong object is refused with the texts of upstream", () => {
  const object = cronTab({ cronSpec: "x", replicas: 11, image: 1 });
  expect(texts(v1.strategy.validateCreate(object, context))).toEqual([
    `spec.cronSpec: Invalid value: "x": spec.cronSpec in body should match '${PATTERN}'`,
    "spec.replicas: Invalid value: 11: spec.replicas in body should be less than or equal to 10",
    'spec.image: Invalid value: "integer": spec.image in body must be of type string: "integer"',
  ]);
  expect(texts(v1.strategy.validateCreate(cronTab({}), context))).toEqual([
    "spec.cronSpec: Required value",
  ]);
});

test("an update keeps the status, and a changed spec raises the generation", () => {
  const metadata = { name: "my", namespace: "default", generation: 3, resourceVersion: "1" };
  const old = cronTab({ cronSpec: "* * * * *" }, { metadata, status: { replicas: 1 } });
  const same = cronTab({ cronSpec: "* * * * *" }, { metadata: { ...metadata } });
  v1.strategy.prepareUpdate(same, old, context);
  expect(same).toEqual(old);
  const changed = cronTab({ cronSpec: "1 * * * *" }, { metadata: { ...metadata } });
  v1.strategy.prepareUpdate(changed, old, context);
  expect(changed.metadata.generation).toBe(4);
});

test("what was wrong before and did not change is borne", () => {
  const metadata = { name: "my", namespace: "default", generation: 1, resourceVersion: "1" };
  const old = cronTab({ cronSpec: "x", replicas: 1 }, { metadata });
  const next = cronTab({ cronSpec: "x", replicas: 2 }, { metadata });
  expect(v1.strategy.validateUpdate(next, old, context)).toEqual([]);
  const wrong = cronTab({ cronSpec: "y", replicas: 2 }, { metadata });
  expect(v1.strategy.validateUpdate(wrong, old, context)).toHaveLength(1);
});

test("the status subresource changes the status alone", () => {
  const metadata = { name: "my", namespace: "default", generation: 1, resourceVersion: "1" };
  const old = cronTab({ cronSpec: "x" }, { metadata });
  const object = cronTab(
    { cronSpec: "y" },
    { metadata: { ...metadata, labels: { a: "b" } }, status: { replicas: "1" } },
  );
  const { strategy } = v1.subresources["status"]!;
  strategy!.prepareUpdate(object, old, context);
  expect(object).toEqual({ ...old, status: { replicas: "1" } });
  expect(texts(strategy!.validateUpdate(object, old, context))).toEqual([
    'status.replicas: Invalid value: "string": replicas in body must be of type integer: "string"',
    ".status.replicas: Invalid value: 0: .status.replicas accessor error: 1 is of the type " +
      "string, expected int64",
  ]);
});

test("the scale shows and sets the replicas", () => {
  const { view } = v1.subresources["scale"]!;
  const object = cronTab({ replicas: 3 }, { status: { selector: "a=b" } });
  expect(view!.read(object)).toMatchObject({
    kind: "Scale",
    spec: { replicas: 3 },
    status: { replicas: 0, selector: "a=b" },
  });
  expect(view!.write(object, { metadata: {}, spec: { replicas: 5 } } as KubeObject)).toEqual([]);
  expect(object.spec).toEqual({ replicas: 5 });
});

test("columns and selectable fields are read by their paths", () => {
  const object = cronTab(
    { cronSpec: "* * * * *" },
    {
      metadata: { name: "my", creationTimestamp: "1970-01-01T00:00:00Z" },
      status: {
        conditions: [
          { type: "A", status: "x" },
          { type: "Ready", status: "True" },
        ],
      },
    },
  );
  expect(v1.columns.map((each) => each.value(object, 60_000))).toEqual([
    "my",
    "* * * * *",
    "True",
    "60s",
  ]);
  expect(v1.selectableFields["spec.cronSpec"]!(object)).toBe("* * * * *");
  expect(beta.columns.map(({ name }) => name)).toEqual(["Name", "Age"]);
});

test("a stored object gets the defaults of its version, then what the read version knows", () => {
  const stored = () => cronTab({ cronSpec: "x", gone: 1 }, { metadata: { name: "my" } });
  expect(v1.fromStorage!(stored())).toEqual(
    cronTab({ cronSpec: "x", image: "busybox" }, { metadata: { name: "my", generation: 1 } }),
  );
  expect(beta.fromStorage!(stored())).toEqual({
    apiVersion: "stable.example.com/v1beta1",
    kind: "CronTab",
    metadata: { name: "my", generation: 1 },
    spec: { cronSpec: "x" },
  });
  expect(beta.toStorage!(beta.fromStorage!(stored())).apiVersion).toBe("stable.example.com/v1");
});
