import { customResourceDefinition } from "@raft2kube/api/apiextensions/v1/custom-resource-definition.ts";
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
