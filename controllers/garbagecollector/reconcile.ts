import type { OwnerReference } from "@raft2kube/api/gen/meta/v1.ts";
import { forEach } from "@raft2kube/reconcile/each.ts";
import {
  BLOCKERS_OF_TURN_MAX,
  ORPHAN_AGAIN_MS,
  ORPHANED_OF_TURN_MAX,
  OWNERS_OF_TURN_MAX,
} from "../limits.ts";
import {
  FOREGROUND,
  type GraphNode,
  type GraphWork,
  identityOf,
  ORPHAN,
  OwnerGraph,
} from "./graph.ts";
import { type Dependents, planItem } from "./plan.ts";
import type { OwnerServer } from "./server.ts";

const NOTHING: GraphWork = { inspect: [], dependents: [], orphan: [] };

/**
 * Looks at one object: is it garbage, does it wait for dependents, or is it well? Gives what must
 * be looked at because of it.
 */
export async function inspect(
  graph: OwnerGraph,
  server: OwnerServer,
  uid: string,
): Promise<GraphWork> {
  const node = graph.get(uid);
  if (!node) return NOTHING;
  if (node.beingDeleted && !OwnerGraph.isForeground(node)) return NOTHING;
  const again = { ...NOTHING, inspect: [uid] };
  const isDependent = !OwnerGraph.isForeground(node);
  if (isDependent && !(await lookUpOwners(server, node, node.owners))) return again;
  const object = await server.latest(node);
  if (!object) {
    server.noteAbsent(identityOf(node.type, node.name, uid));
    return graph.remove(uid);
  }
  if (OwnerGraph.isForeground(node)) {
    return { ...NOTHING, inspect: await advanceForeground(graph, server, node) };
  }
  // Its informer may be late: these may be others.
  if (!(await lookUpOwners(server, node, object.metadata.ownerReferences ?? []))) return again;
  const states = node.ownerStates;
  node.ownerStates = undefined;
  const own = () => dependentsOf(graph, uid);
  const action = planItem(object, (owner) => states?.get(keyOfOwner(owner)) ?? "solid", own);
  if (action.do === "drop-owners") await server.setOwners(node, object, action.keep);
  if (action.do === "delete") {
    const current = action.unblock ? await server.unblockOwners(node, object) : object;
    if (current) await server.delete(node, current, action.propagation);
  }
  return NOTHING;
}

/**
 * Looks up the owners of an object whose states are not known yet, some in one turn: an object of
 * 1.5 MiB names 11,000, and its turn keeps a worker from other namespaces. Returns whether all are
 * known now.
 */
async function lookUpOwners(
  server: OwnerServer,
  node: GraphNode,
  owners: readonly OwnerReference[],
): Promise<boolean> {
  let left = OWNERS_OF_TURN_MAX;
  for (const owner of owners) {
    const key = keyOfOwner(owner);
    if (node.ownerStates?.has(key)) continue;
    if (!server.isAbsent(owner, node.name.namespace) && left-- === 0) return false;
    const state = await server.stateOf(owner, node.name.namespace);
    (node.ownerStates ??= new Map()).set(key, state);
  }
  return true;
}

function keyOfOwner({ apiVersion, kind, name, uid }: OwnerReference): string {
  return `${apiVersion} ${kind} ${name} ${uid}`;
}

function dependentsOf(graph: OwnerGraph, uid: string): Dependents {
  if (graph.countOf(uid) === 0) return "none";
  for (const node of graph.dependentsOf(uid)) if (OwnerGraph.isForeground(node)) return "waiting";
  return "some";
}

/**
 * An owner in foreground deletion is deleted when no dependent blocks it. Of those that do some are
 * looked at again: all of them were at the start of its deletion, and are when they change.
 */
async function advanceForeground(
  graph: OwnerGraph,
  server: OwnerServer,
  node: GraphNode,
): Promise<string[]> {
  const blocking = graph.blockersOf(node, BLOCKERS_OF_TURN_MAX);
  if (blocking.length === 0) {
    const object = await server.latest(node);
    if (object) await server.removeFinalizer(node, object, FOREGROUND);
    return [];
  }
  return blocking.filter((item) => !item.beingDeleted).map((item) => item.uid);
}

/** Cuts an owner's dependents loose, some in each turn of its namespace, then lets it go. */
export async function orphanDependents(
  graph: OwnerGraph,
  server: OwnerServer,
  uid: string,
): Promise<{ again_ms: number } | void> {
  const node = graph.get(uid);
  if (!node) return;
  const count = graph.countOf(uid);
  const dependents = graph.someOf(uid, ORPHANED_OF_TURN_MAX);
  await forEach(dependents, async (dependent) => {
    const object = await server.latest(dependent);
    const owners = object?.metadata.ownerReferences ?? [];
    const kept = owners.filter((owner) => owner.uid !== uid);
    if (object && kept.length < owners.length) await server.setOwners(dependent, object, kept);
    // Its informer may be late: the next turn has others.
    graph.release(dependent, uid);
  });
  if (count > ORPHANED_OF_TURN_MAX) return { again_ms: ORPHAN_AGAIN_MS };
  const object = await server.latest(node);
  if (object) await server.removeFinalizer(node, object, ORPHAN);
}
