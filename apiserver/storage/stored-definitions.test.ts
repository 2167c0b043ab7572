import { customResourceDefinition } from "@raft2kube/api/apiextensions/v1/custom-resource-definition.ts";
import type { CustomResourceDefinition } from "@raft2kube/api/gen/apiextensions/v1.ts";
import { expect, it } from "vitest";
import { decodeRow } from "./body.ts";
import definitions from "./testdata/definitions.json" with { type: "json" };

// Recorded on kube-apiserver 1.36: definitions as they lay in etcd, and as they were read.
it.each(definitions)("$served.metadata.name, stored in v1beta1, is read in v1", (each) => {
  const value = Buffer.from(JSON.stringify(each.stored));
  const read = decodeRow(customResourceDefinition, { key: "k", value, revision: 7 });
  const { resourceVersion, ...metadata } = read.metadata;
  expect({ ...read, metadata }).toEqual(each.served);
  expect(resourceVersion).toBe("7");
});

it("an older one has a single version, and keeps fields that it does not name", () => {
  const [{ stored }] = definitions as unknown as [{ stored: { spec: object } }];
  const {
    versions: _,
    preserveUnknownFields: __,
    ...spec
  } = stored.spec as Record<string, unknown>;
  const value = Buffer.from(JSON.stringify({ ...stored, spec: { ...spec, versions: [] } }));
  const read = decodeRow<CustomResourceDefinition>(customResourceDefinition, {
    key: "k",
    value,
    revision: 7,
  });
  const { schema } = definitions[0]!.served.spec.versions[0]!;
  expect(read.spec.versions).toMatchObject([{ name: "v1", served: true, storage: true, schema }]);
  expect(read.spec.preserveUnknownFields).toBe(true);
});
