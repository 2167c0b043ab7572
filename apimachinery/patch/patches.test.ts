import { KINDS } from "@raft2kube/api/kinds.ts";
import { describe, expect, it } from "vitest";
import { isObject, mergePatch } from "../json/json.ts";
import { applyJsonPatch, readJsonPatch } from "./json-patch.ts";
import { PATCH_TYPES, readPatch } from "./read-patch.ts";
import { strategicMerge } from "./strategic.ts";

describe("merge patch (RFC 7386)", () => {
  it.each([
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
    [{ a: [] }, { a: [{ b: null, c: [{ d: null }] }, null] }, { a: [{ c: [{}] }, null] }],
    [{ a: {} }, { a: [{ b: null }] }, { a: [{ b: null }] }],
  ])("%j with %j is %j", (document, patch, expected) => {
    expect(mergePatch(document, patch)).toEqual(expected);
  });

  it("a member called __proto__ is a member, not a prototype", () => {
    const patch: unknown = JSON.parse(`{"data":{"__proto__":{"polluted":"yes"}}}`);
    const merged = mergePatch({}, patch) as { data: object };
    expect(Object.keys(merged.data)).toEqual(["__proto__"]);
    expect(({} as { polluted?: string }).polluted).toBeUndefined();
  });
});

describe("JSON patch (RFC 6902)", () => {
  const apply = (document: unknown, operations: unknown) =>
    applyJsonPatch(document, readJsonPatch(operations));

  it.each([
    [{ a: [1, 2] }, [{ op: "add", path: "/a/1", value: 9 }], { a: [1, 9, 2] }],
    [{ a: [1] }, [{ op: "add", path: "/a/-", value: 2 }], { a: [1, 2] }],
    [{ a: 1 }, [{ op: "remove", path: "/a" }], {}],
    [{ a: 1 }, [{ op: "replace", path: "/a", value: null }], { a: null }],
    [{ "a/b": { "~": 1 } }, [{ op: "replace", path: "/a~1b/~0", value: 2 }], { "a/b": { "~": 2 } }],
    [{ a: 1 }, [{ op: "move", from: "/a", path: "/b" }], { b: 1 }],
    [{ a: [1] }, [{ op: "copy", from: "/a", path: "/b" }], { a: [1], b: [1] }],
    [{ a: { b: 1 } }, [{ op: "test", path: "/a", value: { b: 1 } }], { a: { b: 1 } }],
    [{ a: 1 }, null, { a: 1 }],
  ])("%j with %j is %j", (document, operations, expected) => {
    expect(apply(document, operations)).toEqual(expected);
  });

  it.each([
    [[{ op: "test", path: "/a", value: 2 }]],
    [[{ op: "remove", path: "/missing" }]],
    [[{ op: "replace", path: "/list/0", value: 1 }]],
    [[{ op: "add", path: "/list/7", value: 1 }]],
    [[{ op: "add", path: "/missing/x", value: 1 }]],
    [[{ op: "frobnicate", path: "/a" }]],
    [[{ op: "move", path: "/a" }]],
    [[{ op: "add" }]],
  ])("%j does not fit and is refused as 422", (operations) => {
    expect(() => apply({ a: 1, list: [] }, operations)).toThrow(
      expect.objectContaining({ http: 422 }) as Error,
    );
  });

  it("replaces what is not there, as upstream's library does", () => {
    const operations = [{ op: "replace", path: "/missing", value: 1 }];
    expect(apply({ a: 1 }, operations)).toEqual({ a: 1, missing: 1 });
  });

  it.each([
    ["add", { op: "add", path: "/a/0", value: 0 }],
    ["remove", { op: "remove", path: "/a/0" }],
    ["move", { op: "move", from: "/a/0", path: "/a/-" }],
  ])("operations that shift all of a huge list again and again are refused: %s", (_, operation) => {
    const a = Array.from({ length: 100_000 }, () => 0);
    const operations = Array.from({ length: 1_000 }, () => operation);
    expect(() => apply({ a }, operations)).toThrow(expect.objectContaining({ http: 413 }) as Error);
    expect(apply({ a }, operations.slice(0, 10))).toHaveProperty("a");
    expect(apply({ a: a.slice(0, 4_000) }, operations)).toHaveProperty("a");
  });

  it("copies that double the whole again and again are refused before they fill the memory", () => {
    const from = "/a";
    const doubling = Array.from({ length: 40 }, (_, i) => ({ op: "copy", from, path: `/a/${i}` }));
    expect(() => apply({ a: { text: "x".repeat(1000) } }, doubling)).toThrow(
      expect.objectContaining({ http: 422 }) as Error,
    );
    expect(apply({ a: { text: "x" } }, doubling.slice(0, 3))).toMatchObject({
      a: { 0: { text: "x" }, 2: { 1: { 0: { text: "x" } } } },
    });
  });

  // The 2^14 levels of the last copies are more than JSON.stringify takes.
  it("copies that nest without end are refused before their end", () => {
    const doubling = Array.from({ length: 14 }, (_, i) => {
      return { op: "copy", from: "/a", path: `/a${"/a".repeat(2 ** i)}` };
    });
    expect(() => apply({ a: {} }, doubling)).toThrow(
      expect.objectContaining({ http: 422 }) as Error,
    );
  });

  it("the owners of fields may be deeper than the object that they own", () => {
    const nested = (levels: number): object => (levels === 1 ? {} : { a: nested(levels - 1) });
    const document = (levels: number) => ({
      metadata: { finalizers: ["a"], managedFields: [{ fieldsV1: nested(levels + 1) }] },
      spec: nested(levels - 1),
    });
    const released = [{ op: "remove", path: "/metadata/finalizers" }];
    expect(apply(document(200), released)).not.toHaveProperty("metadata.finalizers");
    expect(() => apply(document(201), released)).toThrow(
      expect.objectContaining({ http: 422 }) as Error,
    );
  });

  it("operations make no document that is nested deeper than a body may be", () => {
    const down = (levels: number) => `/a${"/a".repeat(levels)}`;
    const doubling = Array.from({ length: 11 }, (_, i) => {
      return { op: "copy", from: "/a", path: down(2 ** i) };
    });
    const adding = Array.from({ length: 300 }, (_, i) => ({ op: "add", path: down(i), value: {} }));
    for (const operations of [doubling, adding]) {
      expect(() => apply({ a: {} }, operations)).toThrow(
        expect.objectContaining({ http: 422 }) as Error,
      );
      expect(apply({ a: {} }, operations.slice(0, 5))).toHaveProperty("a.a.a");
    }
  });

  it.each([{ op: "add" }, ["add"]])("%j is no patch and is refused as 400", (operations) => {
    expect(() => apply({ a: 1 }, operations)).toThrow(
      expect.objectContaining({ http: 400 }) as Error,
    );
  });
});

describe("strategic merge patch", () => {
  const merge = (document: object, patch: object) => {
    if (!isObject(document) || !isObject(patch)) throw new TypeError("no objects");
    return strategicMerge("core/v1.Pod", document, patch);
  };
  const pod = (...names: string[]) => ({
    spec: { containers: names.map((name) => ({ name, image: `${name}:1` })) },
  });

  it("merges containers by name and adds new ones", () => {
    const patch = {
      spec: {
        containers: [
          { name: "b", image: "b:2" },
          { name: "c", image: "c:1" },
        ],
      },
    };
    expect(merge(pod("a", "b"), patch)).toEqual({
      spec: {
        containers: [
          { name: "a", image: "a:1" },
          { name: "b", image: "b:2" },
          { name: "c", image: "c:1" },
        ],
      },
    });
  });

  it("deletes a list's item by its key", () => {
    const patch = { spec: { containers: [{ name: "a", $patch: "delete" }] } };
    expect(merge(pod("a", "b"), patch)).toEqual(pod("b"));
  });

  it("replaces a list on demand", () => {
    const patch = { spec: { containers: [{ $patch: "replace" }, { name: "z" }] } };
    expect(merge(pod("a", "b"), patch)).toEqual({ spec: { containers: [{ name: "z" }] } });
  });

  it("replaces lists that have no merge key", () => {
    const before = { spec: { containers: [{ name: "a", args: ["1", "2"] }] } };
    const patch = { spec: { containers: [{ name: "a", args: ["3"] }] } };
    expect(merge(before, patch)).toEqual({ spec: { containers: [{ name: "a", args: ["3"] }] } });
  });

  it("orders items as the client wishes", () => {
    const patch = {
      spec: {
        $setElementOrder: undefined,
        "$setElementOrder/containers": [{ name: "b" }, { name: "a" }],
        containers: [{ name: "b", image: "b:2" }],
      },
    };
    delete (patch.spec as { $setElementOrder?: unknown }).$setElementOrder;
    const merged = merge(pod("a", "b"), patch) as ReturnType<typeof pod>;
    expect(merged.spec.containers.map(({ name }) => name)).toEqual(["b", "a"]);
  });

  it("merges an item again where its key is repeated, up to a bound", () => {
    const env = (count: number) => Array.from({ length: count }, (_, n) => ({ name: `${n}` }));
    const before = (count: number) => ({ spec: { containers: [{ name: "a", env: env(count) }] } });
    const item = (value: string) => ({ name: "a", env: [{ name: "0", value }] });
    const twice = { spec: { containers: [item("x"), item("y")] } };
    const [, ...rest] = env(3);
    expect(merge(before(3), twice)).toEqual({
      spec: { containers: [{ name: "a", env: [{ name: "0", value: "y" }, ...rest] }] },
    });
    const often = { spec: { containers: Array.from({ length: 100 }, () => item("x")) } };
    expect(() => merge(before(20_000), often)).toThrow(expect.objectContaining({ http: 413 }));
    const growing = Array.from({ length: 3_000 }, (_, n) => ({
      name: "a",
      env: [{ name: `${n}` }],
    }));
    expect(() => merge({}, { spec: { containers: growing } })).toThrow("give each key once");
    const nested = { spec: { containers: [item("x"), { name: "b", env: growing }] } };
    expect(merge(before(20_000), nested)).toMatchObject({ spec: { containers: [{}, {}] } });
  });

  it("keeps only the keys a union's change names", () => {
    const before = { spec: { volumes: [{ name: "v", emptyDir: {} }] } };
    const patch = {
      spec: {
        volumes: [{ name: "v", $retainKeys: ["name", "hostPath"], hostPath: { path: "/x" } }],
      },
    };
    expect(merge(before, patch)).toEqual({
      spec: { volumes: [{ name: "v", hostPath: { path: "/x" } }] },
    });
  });

  it("merges finalizers as a set and takes named ones away", () => {
    const before = { metadata: { finalizers: ["a", "b"] } };
    expect(merge(before, { metadata: { finalizers: ["b", "c"] } })).toEqual({
      metadata: { finalizers: ["a", "b", "c"] },
    });
    expect(merge(before, { metadata: { "$deleteFromPrimitiveList/finalizers": ["a"] } })).toEqual({
      metadata: { finalizers: ["b"] },
    });
  });

  it("removes a member by null and a map's key likewise", () => {
    const before = { metadata: { labels: { a: "1", b: "2" }, annotations: { x: "y" } } };
    expect(merge(before, { metadata: { labels: { a: null }, annotations: null } })).toEqual({
      metadata: { labels: { b: "2" } },
    });
  });

  it("refuses an item without its key", () => {
    expect(() => merge(pod("a"), { spec: { containers: [{ image: "x" }] } })).toThrow(
      /does not contain declared merge key: name/,
    );
  });
});

it("a strategic patch does not change the type of its object, a merge patch is refused for it", () => {
  const kind = KINDS.find(({ plural }) => plural === "configmaps")!;
  const named = { apiVersion: "apps/v1", kind: "Deployment", data: { a: "b" } };
  const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "m" } };
  const patched = (type: string) =>
    readPatch(type, kind, Buffer.from(JSON.stringify(named)), {
      fieldValidation: "Strict",
      warnings: [],
    }).apply(object);
  expect(patched(PATCH_TYPES.strategic)).toEqual({ ...object, data: { a: "b" } });
  expect(() => patched(PATCH_TYPES.merge)).toThrow("Deployment");
});
