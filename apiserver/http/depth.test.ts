import { encodeObject } from "@raft2kube/api/codec/envelope.ts";
import { beforeAll, expect, it } from "vitest";
import type { AskOptions } from "../../testing/apiserver/ask.ts";
import { fileApiserver } from "../../testing/apiserver/file-apiserver.ts";
import { waitFor } from "../../testing/wait.ts";
import { define, definitionOf } from "../customresources/testing/definitions.ts";

const { ask } = fileApiserver();
const NESTS = "/apis/stable.example.com/v1/namespaces/default/nests";
const CLAIMS = "/apis/resource.k8s.io/v1/namespaces/default/resourceclaims";
const DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

const nested = (levels: number): object => (levels === 1 ? {} : { a: nested(levels - 1) });

/** Objects of so many levels in all. */
const nest = (name: string, levels: number) => ({
  apiVersion: "stable.example.com/v1",
  kind: "Nest",
  metadata: { name, finalizers: ["example.com/kept"] },
  spec: nested(levels - 1),
});

function claim(name: string, levels: number) {
  const opaque = { driver: "example.com", parameters: nested(levels - 6) };
  return {
    apiVersion: "resource.k8s.io/v1",
    kind: "ResourceClaim",
    metadata: { name, finalizers: ["example.com/kept"] },
    spec: {
      devices: {
        requests: [{ name: "one", exactly: { deviceClassName: "example.com" } }],
        config: [{ opaque }],
      },
    },
  };
}

function definition(name: string, levels: number) {
  const schema = (deeper: number): object =>
    deeper === 1 ? { type: "object" } : { type: "object", properties: { a: schema(deeper - 2) } };
  const made = definitionOf(name, "Deep", { schema: { openAPIV3Schema: schema(levels - 5) } });
  return { ...made, metadata: { ...made.metadata, finalizers: ["example.com/kept"] } };
}

const asProtobuf = (schema: string, object: object) => ({
  headers: { "content-type": "application/vnd.kubernetes.protobuf" },
  body: encodeObject(schema, object),
});
const status = async (path: string, options: AskOptions) => (await ask(path, options)).status;

beforeAll(async () => {
  const openAPIV3Schema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  await define(ask, definitionOf("nests", "Nest", { schema: { openAPIV3Schema } }));
});

it.each([
  ["JSON", NESTS, (levels: number) => ({ body: nest("json", levels) }), "json", 201],
  [
    "embedded JSON in protobuf",
    CLAIMS,
    (levels: number) => asProtobuf("resource/v1.ResourceClaim", claim("raw", levels)),
    "raw",
    201,
  ],
  [
    "structures in protobuf",
    DEFINITIONS,
    (levels: number) =>
      asProtobuf("apiextensions/v1.CustomResourceDefinition", definition("deep", levels)),
    "deep.stable.example.com",
    202,
  ],
])("an object of 200 levels is written and sent back, a deeper one refused: %s", async (...row) => {
  const [, path, made, name, deeper] = row;
  const refused = await ask(path, { method: "POST", ...made(deeper) });
  expect(refused).toMatchObject({ status: 400 });
  expect(refused.body).toContain("nested deeper than 200");
  expect(await status(path, { method: "POST", ...made(200) })).toBe(201);
  const headers = { "content-type": "application/json" };
  // The conditions of a definition are written meanwhile.
  const written = await waitFor("a write of what was read", async () => {
    const { body } = await ask(`${path}/${name}`);
    const put = await status(`${path}/${name}`, { method: "PUT", headers, body });
    return put === 409 ? undefined : put;
  });
  expect(written).toBe(200);
  const released = await ask(`${path}/${name}`, {
    method: "PATCH",
    headers: { "content-type": "application/json-patch+json" },
    body: [{ op: "remove", path: "/metadata/finalizers" }],
  });
  expect(released).toMatchObject({ status: 200 });
});

it("an object of 200 levels is applied", async () => {
  const apply = (levels: number) =>
    status(`${NESTS}/applied?fieldManager=m`, {
      method: "PATCH",
      headers: { "content-type": "application/apply-patch+yaml" },
      body: nest("applied", levels),
    });
  expect(await apply(201)).toBe(400);
  expect([await apply(200), await apply(200)]).toEqual([201, 200]);
});

it("owners of fields are no deeper than those of an object of 200 levels", async () => {
  const object = nest("owned", 3);
  const managedFields = [{ manager: "m", operation: "Update", fieldsV1: nested(202) }];
  const body = { ...object, metadata: { ...object.metadata, managedFields } };
  expect(await status(NESTS, { method: "POST", body })).toBe(400);
});
