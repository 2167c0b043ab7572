import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { expect, test } from "vitest";
import { NewestNodes } from "./newest-nodes.ts";

const node = (uid: string, revision: number): Node => ({
  metadata: { name: "n1", uid, resourceVersion: String(revision) },
  spec: {},
});

function tracked() {
  const shown = new Map<string, Node>();
  return { shown, nodes: new NewestNodes((name) => shown.get(name)) };
}

test("a node is as it was written last, until the informer shows that or a later revision", () => {
  const { shown, nodes } = tracked();
  shown.set("n1", node("u", 1));
  nodes.wrote(node("u", 3));
  expect(nodes.get("n1")).toEqual(node("u", 3));
  shown.set("n1", node("u", 4));
  expect(nodes.get("n1")).toEqual(node("u", 4));
  expect(nodes.kept).toBe(0);
});

test("another node of the same name is not the one that was written", () => {
  const { shown, nodes } = tracked();
  shown.set("n1", node("u", 1));
  nodes.wrote(node("u", 3));
  shown.set("n1", node("other", 2));
  expect(nodes.get("n1")).toEqual(node("other", 2));
});

test("a deleted node is not kept, whichever comes first: its event or the write's answer", () => {
  const { shown, nodes } = tracked();
  shown.set("n1", node("u", 1));
  nodes.wrote(node("u", 3));
  shown.delete("n1");
  nodes.forget("n1");
  expect(nodes.kept).toBe(0);
  nodes.wrote(node("u", 3));
  expect(nodes.kept).toBe(0);
});
