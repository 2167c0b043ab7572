import { describe, expect, it } from "vitest";
import { messageOfField } from "../errors.ts";
import { validateMetadata, validateMetadataUpdate } from "./metadata.ts";
import { dnsSubdomain } from "./names.ts";

function complaints(meta: object): string[] {
  return validateMetadata({ name: "a", namespace: "b", ...meta }, true, dnsSubdomain).map(
    messageOfField,
  );
}

describe("validateMetadata", () => {
  it("accepts plain metadata", () => {
    expect(complaints({ labels: { "example.com/a": "B_1" }, generateName: "web-" })).toEqual([]);
  });

  it.each([
    [{ name: "" }, "metadata.name: Required value: name or generateName is required"],
    [{ name: "A" }, 'metadata.name: Invalid value: "A": a lowercase RFC 1123 subdomain must'],
    [{ labels: { "a/b/c": "" } }, 'metadata.labels: Invalid value: "a/b/c": a valid label key'],
    [{ labels: { a: "-" } }, 'metadata.labels: Invalid value: "-": a valid label must be'],
    [
      { annotations: { a: "x".repeat(300_000) } },
      "metadata.annotations: Too long: may not be more than 262144 bytes",
    ],
    [{ finalizers: ["orphan", "foregroundDeletion"] }, "cannot be both set"],
    [
      { ownerReferences: [{ apiVersion: "v1", kind: "Pod", name: "", uid: "u" }] },
      'metadata.ownerReferences.name: Invalid value: "": must not be empty',
    ],
    [{ namespace: "a.b" }, 'metadata.namespace: Invalid value: "a.b": must not contain dots'],
  ])("refuses %j", (meta, message) => {
    expect(complaints(meta).join("\n")).toContain(message);
  });

  it("looks at each finalizer of an object that is being deleted a few times", () => {
    let read = 0;
    const finalizers = new Proxy(
      Array.from({ length: 500 }, (_, index) => `example.com/f${index}`),
      {
        get(target, name, receiver): unknown {
          read++;
          return Reflect.get(target, name, receiver);
        },
      },
    );
    const old = { name: "a", deletionTimestamp: "2026-01-01T00:00:00Z", resourceVersion: "5" };
    const update = (added: string[]) =>
      validateMetadataUpdate(
        { ...old, finalizers: [...finalizers, ...added] },
        { ...old, finalizers },
      ).map(messageOfField);
    expect(update([])).toEqual([]);
    expect(read).toBeLessThan(20 * finalizers.length);
    expect(update(["example.com/new"])).toEqual([
      expect.stringContaining('found new finalizers []string{"example.com/new"}'),
    ]);
  });

  it("keeps identity through updates", () => {
    const old = { name: "a", uid: "1", resourceVersion: "5" };
    const errors = validateMetadataUpdate({ name: "a", uid: "2" }, old).map(messageOfField);
    expect(errors).toEqual([
      'metadata.resourceVersion: Invalid value: "": must be specified for an update',
      'metadata.uid: Invalid value: "2": field is immutable',
    ]);
  });
});
