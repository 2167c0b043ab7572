import type { OwnerReference } from "@raft2kube/api/gen/meta/v1.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import { PODS, REPLICA_SETS } from "@raft2kube/client-kube/rest/resources.ts";
import { describe, expect, test } from "vitest";
import { BLOCKERS_OF_TURN_MAX, ORPHAN_AGAIN_MS, ORPHANED_OF_TURN_MAX } from "../limits.ts";
import { type GraphNode, OwnerGraph, type OwnerState } from "./graph.ts";
import { type Dependents, planItem } from "./plan.ts";
import { inspect, orphanDependents } from "./reconcile.ts";
import type { OwnerServer } from "./server.ts";

function owner(uid: string, blockOwnerDeletion = false): OwnerReference {
  return { apiVersion: "apps/v1", kind: "ReplicaSet", name: uid, uid, blockOwnerDeletion };
}

type Shape = { owners?: OwnerReference[]; finalizers?: string[]; deleting?: boolean };

function object(uid: string, { owners, finalizers, deleting }: Shape = {}): KubeObject {
  const metadata: KubeObject["metadata"] = { name: uid, namespace: "ns", uid };
  if (owners) metadata.ownerReferences = owners;
  if (finalizers) metadata.finalizers = finalizers;
  if (deleting) metadata.deletionTimestamp = "2026-01-01T00:00:00Z";
  return { metadata };
}

describe("planItem", () => {
  const states = (map: Record<string, OwnerState>) => (reference: OwnerReference) =>
    map[reference.uid] ?? "solid";
  const two = object("x", { owners: [owner("a"), owner("b")] });
  test.each<[string, KubeObject, Record<string, OwnerState>, Dependents, unknown]>([
    ["no owners", object("x"), {}, "none", { do: "keep" }],
    ["all owners live", two, {}, "none", { do: "keep" }],
    ["one lives on", two, { a: "absent" }, "none", { do: "drop-owners", keep: [owner("b")] }],
    [
      "one lives on, one waits",
      two,
      { a: "waiting" },
      "some",
      { do: "drop-owners", keep: [owner("b")] },
    ],
    [
      "all gone",
      two,
      { a: "absent", b: "absent" },
      "some",
      { do: "delete", propagation: "Background" },
    ],
    [
      "waited for, with dependents",
      two,
      { a: "waiting", b: "absent" },
      "some",
      { do: "delete", propagation: "Foreground" },
    ],
    [
      "waited for, with dependents that wait in turn",
      two,
      { a: "waiting", b: "absent" },
      "waiting",
      { do: "delete", propagation: "Foreground", unblock: true },
    ],
    [
      "waited for, without dependents",
      two,
      { a: "waiting", b: "waiting" },
      "none",
      { do: "delete", propagation: "Background" },
    ],
    [
      "its own finalizer decides",
      object("x", { owners: [owner("a")], finalizers: ["orphan"] }),
      { a: "absent" },
      "none",
      { do: "delete", propagation: "Orphan" },
    ],
    [
      "already being deleted",
      object("x", { owners: [owner("a")], deleting: true }),
      { a: "absent" },
      "none",
      { do: "keep" },
    ],
  ])("%s", (_name, item, owners, dependents, expected) => {
    expect(planItem(item, states(owners), () => dependents)).toEqual(expected);
  });
});

describe("OwnerGraph", () => {
  test("a dependent whose owner is unknown is looked at; one whose owner lives is not", () => {
    const graph = new OwnerGraph();
    expect(graph.put(PODS, object("p1", { owners: [owner("rs")] })).inspect).toEqual(["p1"]);
    graph.put(REPLICA_SETS, object("rs"));
    expect(graph.put(PODS, object("p2", { owners: [owner("rs")] })).inspect).toEqual([]);
    const both = [...graph.dependentsOf("rs")].map((node) => node.uid);
    expect(both).toEqual(["p1", "p2"]);
  });

  test("when an owner goes, its dependents are looked at, known or not", () => {
    const graph = new OwnerGraph();
    graph.put(PODS, object("p1", { owners: [owner("rs")] }));
    expect(graph.remove("rs").dependents).toEqual(["rs"]);
    graph.remove("p1");
    expect(graph.remove("rs").dependents).toEqual([]);
    expect(graph.size).toBe(0);
  });

  test("an owner that begins to wait has its dependents looked at, once", () => {
    const graph = new OwnerGraph();
    graph.put(REPLICA_SETS, object("rs"));
    graph.put(PODS, object("p1", { owners: [owner("rs", true)] }));
    const waiting = { finalizers: ["foregroundDeletion"], deleting: true };
    const begun = graph.put(REPLICA_SETS, object("rs", waiting));
    expect(begun).toEqual({ inspect: ["rs"], dependents: ["rs"], orphan: [] });
    const again = graph.put(REPLICA_SETS, object("rs", waiting));
    expect(again).toEqual({ inspect: ["rs"], dependents: [], orphan: [] });
    expect(graph.remove("p1").inspect).toEqual(["rs"]);
  });

  test("an owner waits no more for a dependent that lets go of it", () => {
    const graph = new OwnerGraph();
    const waiting = { finalizers: ["foregroundDeletion"], deleting: true };
    graph.put(REPLICA_SETS, object("rs", waiting));
    graph.put(PODS, object("p1", { owners: [owner("rs", true)] }));
    expect(graph.put(PODS, object("p1")).inspect).toEqual(["rs"]);
  });

  test("an owner waits for no dependent of another namespace", () => {
    const graph = new OwnerGraph();
    const waiting = { finalizers: ["foregroundDeletion"], deleting: true };
    graph.put(REPLICA_SETS, object("rs", waiting));
    const foreign = object("p1", { owners: [owner("rs", true)] });
    graph.put(PODS, { metadata: { ...foreign.metadata, namespace: "other" } });
    graph.put(PODS, object("p2", { owners: [owner("rs")] }));
    expect(graph.blockersOf(graph.get("rs")!, 9)).toEqual([]);
    graph.put(PODS, object("p2", { owners: [owner("rs", true)] }));
    expect(graph.blockersOf(graph.get("rs")!, 9).map(({ uid }) => uid)).toEqual(["p2"]);
    graph.put(PODS, object("p2", { owners: [owner("rs")] }));
    expect(graph.blockersOf(graph.get("rs")!, 9)).toEqual([]);
  });

  test("a cluster-wide owner waits for those of all namespaces", () => {
    const graph = new OwnerGraph();
    const { metadata } = object("n", { finalizers: ["foregroundDeletion"], deleting: true });
    delete metadata.namespace;
    graph.put(REPLICA_SETS, { metadata });
    for (const uid of ["p1", "p2"]) {
      const dependent = object(uid, { owners: [owner("n", true)] });
      graph.put(PODS, { metadata: { ...dependent.metadata, namespace: uid } });
    }
    expect(graph.blockersOf(graph.get("n")!, 9).map(({ uid }) => uid)).toEqual(["p1", "p2"]);
  });

  test("an owner that an object names many times is looked at once", () => {
    const graph = new OwnerGraph();
    graph.put(REPLICA_SETS, object("rs", { finalizers: ["foregroundDeletion"], deleting: true }));
    const owners = Array.from({ length: 3 }, () => owner("rs"));
    graph.put(PODS, object("p1", { owners }));
    expect(graph.put(PODS, object("p1", { owners })).inspect).toEqual(["rs"]);
  });

  test("orphaning is asked for by the owner's finalizer", () => {
    const graph = new OwnerGraph();
    const work = graph.put(REPLICA_SETS, object("rs", { finalizers: ["orphan"], deleting: true }));
    expect(work.orphan).toEqual(["rs"]);
    expect(graph.put(REPLICA_SETS, object("rs2", { finalizers: ["orphan"] })).orphan).toEqual([]);
  });
});

test.each([
  ["shows them", true],
  ["is late", false],
])("an owner of many dependents gives them up in turns; its informer %s", async (_, isShown) => {
  const graph = new OwnerGraph();
  graph.put(REPLICA_SETS, object("rs", { finalizers: ["orphan"], deleting: true }));
  const count = ORPHANED_OF_TURN_MAX + 1;
  const pod = (at: number) => object(`p${at}`, { owners: [owner("rs")] });
  for (let at = 0; at < count; at++) graph.put(PODS, pod(at));
  let orphaned = 0;
  const finalized: string[] = [];
  const server = {
    latest: ({ uid, owners, finalizers }: GraphNode) =>
      Promise.resolve(object(uid, { owners: [...owners], finalizers: [...finalizers] })),
    setOwners: ({ uid }: GraphNode) => {
      orphaned++;
      if (isShown) graph.put(PODS, object(uid));
      return Promise.resolve();
    },
    removeFinalizer: ({ uid }: GraphNode) => Promise.resolve(finalized.push(uid)),
  } as unknown as OwnerServer;
  expect(await orphanDependents(graph, server, "rs")).toEqual({ again_ms: ORPHAN_AGAIN_MS });
  expect([orphaned, finalized]).toEqual([ORPHANED_OF_TURN_MAX, []]);
  expect(await orphanDependents(graph, server, "rs")).toBeUndefined();
  expect([orphaned, finalized]).toEqual([count, ["rs"]]);
});

test("one look at an owner of many dependents looks at few of them again", async () => {
  const graph = new OwnerGraph();
  const waiting = { finalizers: ["foregroundDeletion"], deleting: true };
  graph.put(REPLICA_SETS, object("rs", waiting));
  const owners = [owner("rs", true)];
  for (let at = 0; at < 2 * BLOCKERS_OF_TURN_MAX; at++) {
    graph.put(PODS, object(`p${at}`, { owners }));
  }
  const server = { latest: ({ uid }: GraphNode) => Promise.resolve(object(uid)) };
  const work = await inspect(graph, server as unknown as OwnerServer, "rs");
  expect(work.inspect).toHaveLength(BLOCKERS_OF_TURN_MAX);
});

test("a dependent that cannot be orphaned does not keep others from it", async () => {
  const graph = new OwnerGraph();
  graph.put(REPLICA_SETS, object("rs", { finalizers: ["orphan"], deleting: true }));
  for (const uid of ["p1", "p2"]) graph.put(PODS, object(uid, { owners: [owner("rs")] }));
  const orphaned: string[] = [];
  const server = {
    latest: ({ uid, owners }: GraphNode) => Promise.resolve(object(uid, { owners: [...owners] })),
    setOwners: ({ uid }: GraphNode) => {
      if (uid === "p1") return Promise.reject(new Error("denied"));
      return Promise.resolve(orphaned.push(uid));
    },
  } as unknown as OwnerServer;
  await expect(orphanDependents(graph, server, "rs")).rejects.toThrow("denied");
  expect(orphaned).toEqual(["p2"]);
  expect([...graph.dependentsOf("rs")].map(({ uid }) => uid)).toEqual(["p1"]);
});
