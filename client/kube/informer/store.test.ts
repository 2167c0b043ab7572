import { expect, test } from "vitest";
import type { KubeObject } from "../object/object.ts";
import { ObjectStore } from "./store.ts";

interface Placed extends KubeObject {
  nodes: string[];
}

function placed(name: string, ...nodes: string[]): Placed {
  return { metadata: { namespace: "ns", name }, nodes };
}

test("indexes follow objects as they change and go", () => {
  const store = new ObjectStore<Placed>();
  store.set(placed("a", "n1"));
  store.addIndex("node", (object) => object.nodes);
  store.set(placed("b", "n1", "n2"));
  expect(store.by("node", "n1").map((o) => o.metadata.name)).toEqual(["a", "b"]);
  const old = store.set(placed("a", "n2"));
  expect(old?.nodes).toEqual(["n1"]);
  expect(store.by("node", "n1").map((o) => o.metadata.name)).toEqual(["b"]);
  store.delete("ns/b");
  expect(store.by("node", "n1")).toEqual([]);
  expect(store.by("node", "n2").map((o) => o.metadata.name)).toEqual(["a"]);
  expect(store.size).toBe(1);
  expect(() => store.by("zone", "x")).toThrow("no index zone");
});
