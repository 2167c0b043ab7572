import { expect, test } from "vitest";
import { withLastApplied } from "./last-applied.ts";

const NOTE = "kubectl.kubernetes.io/last-applied-configuration";

test("the note is what kubectl apply writes for the same file", () => {
  const manifest = {
    kind: "ConfigMap",
    apiVersion: "v1",
    metadata: { name: "a" },
    data: { k: "<&" },
  };
  const { metadata } = withLastApplied(manifest, "default");
  expect(metadata.namespace).toBe("default");
  expect(metadata.annotations?.[NOTE]).toBe(
    '{"apiVersion":"v1","data":{"k":"\\u003c\\u0026"},"kind":"ConfigMap",' +
      '"metadata":{"annotations":{},"name":"a","namespace":"default"}}\n',
  );
});

test("annotations of the file stay, and the note is not part of itself", () => {
  const metadata = { name: "a", annotations: { own: "1" } };
  const made = withLastApplied({ kind: "Node", apiVersion: "v1", metadata }, undefined);
  expect(made.metadata.annotations?.["own"]).toBe("1");
  expect(JSON.parse(made.metadata.annotations?.[NOTE] ?? "").metadata).toEqual(metadata);
});
