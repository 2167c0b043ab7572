import type { OwnerReference } from "@raft2kube/api/gen/meta/v1.ts";
import { KubeError } from "@raft2kube/client-kube/errors.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { kindKey } from "@raft2kube/client-kube/rest/discovery.ts";
import type { KubeRequester } from "@raft2kube/client-kube/rest/request.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { CONFIG_MAPS, NODES } from "@raft2kube/client-kube/rest/resources.ts";
import { beforeEach, expect, test } from "vitest";
import { OWNERS_OF_TURN_MAX } from "../limits.ts";
import { identityOf, OwnerGraph } from "./graph.ts";
import { inspect } from "./reconcile.ts";
import { OwnerServer } from "./server.ts";

let server: OwnerServer;
let graph: OwnerGraph;
/** Objects by path. */
let stored: Map<string, KubeObject>;
/** Requests that were made. */
let requests: number;

beforeEach(() => {
  stored = new Map();
  requests = 0;
  const request = ({ method, path }: { method: string; path: string }) => {
    requests++;
    const found = stored.get(path);
    if (!found) return Promise.reject(new KubeError({ code: 404 }));
    if (method === "DELETE") stored.delete(path);
    return Promise.resolve(found);
  };
  const requester = { request, send: request } as unknown as KubeRequester;
  const resource = (type: ResourceType) => new ResourceClient(requester, type);
  server = new OwnerServer({ resource } as unknown as KubeClient);
  const types = [CONFIG_MAPS, NODES];
  server.setKinds(new Map(types.map((type) => [kindKey("v1", type.kind!), type])));
  graph = new OwnerGraph();
});

function owner(name: string, uid = "db", kind = "ConfigMap"): OwnerReference {
  return { apiVersion: "v1", kind, name, uid };
}

function create(namespace: string, name: string, ownerReferences: OwnerReference[] = []) {
  const uid = `${namespace}-${name}`;
  const object = { metadata: { namespace, name, uid, ownerReferences } };
  stored.set(`/api/v1/namespaces/${namespace}/configmaps/${name}`, object);
  return { object, uid };
}

test.each([
  ["in another namespace", "x", "db"],
  ["by another name", "y", "other"],
])("a reference to an owner %s takes no other dependent with it", async (_, namespace, name) => {
  const db = create("y", "db");
  const real = create("y", "real", [owner("db", db.uid)]);
  const borrowed = create(namespace, "borrowed", [owner(name, db.uid)]);
  graph.put(CONFIG_MAPS, borrowed.object);
  graph.put(CONFIG_MAPS, real.object);
  await inspect(graph, server, borrowed.uid);
  await inspect(graph, server, real.uid);
  expect([...stored.values()]).toEqual([db.object, real.object]);
});

test.each([
  ["in another namespace", "x", owner("db", "y-db")],
  ["by another name", "y", owner("other", "y-db")],
  ["of another kind", "y", owner("db", "y-db", "Secret")],
])("a reference to a known owner %s is looked at", (_, namespace, reference) => {
  graph.put(CONFIG_MAPS, create("y", "db").object);
  const { object, uid } = create(namespace, "borrowed", [reference]);
  expect(graph.put(CONFIG_MAPS, object).inspect).toEqual([uid]);
  const real = create("y", "real", [owner("db", "y-db")]);
  expect(graph.put(CONFIG_MAPS, real.object).inspect).toEqual([]);
});

test("two references with one uid are two owners", async () => {
  const db = create("y", "db");
  const both = create("y", "both", [owner("db", db.uid), owner("other", db.uid)]);
  graph.put(CONFIG_MAPS, both.object);
  await inspect(graph, server, both.uid);
  expect(stored.size).toBe(2);
});

test("owners of one object are looked up in turns, each of them once", async () => {
  const absent = Array.from({ length: 2 * OWNERS_OF_TURN_MAX + 1 }, (_, at) => owner(`o${at}`));
  const { object, uid } = create("y", "greedy", [...absent, ...absent]);
  graph.put(CONFIG_MAPS, object);
  for (const turn of [1, 2]) {
    expect((await inspect(graph, server, uid)).inspect).toEqual([uid]);
    expect(requests).toBe(turn * OWNERS_OF_TURN_MAX);
  }
  // The last one is looked up, the object is read and deleted.
  expect((await inspect(graph, server, uid)).inspect).toEqual([]);
  expect([requests, stored.size]).toEqual([2 * OWNERS_OF_TURN_MAX + 3, 0]);
});

test.each([
  ["a namespace", CONFIG_MAPS, { namespace: "y", name: "db" }, owner("db")],
  ["the cluster", NODES, { name: "db" }, owner("db", "db", "Node")],
])("an owner of %s that was seen to go is not asked for", async (_, type, name, reference) => {
  server.noteAbsent(identityOf(type, name, "db"));
  const path = type === NODES ? "/api/v1/nodes/db" : "/api/v1/namespaces/y/configmaps/db";
  stored.set(path, { metadata: { ...name, uid: "db" } });
  expect(await server.stateOf(reference, "y")).toBe("absent");
});
