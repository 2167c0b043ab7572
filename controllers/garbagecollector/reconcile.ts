import type { OwnerReference } from "@raft2kube/api/gen/meta/v1.ts";
import { forEach } from "../each.ts";
import { ORPHAN_AGAIN_MS, ORPHANED_OF_TURN_MAX } from "../limits.ts";
import { FOREGROUND, type GraphNode, identityOf, ORPHAN, OwnerGraph } from "./graph.ts";
import { type Dependents, type OwnerState, planItem } from "./plan.ts";
import type { OwnerServer } from "./server.ts";

/**
 * Looks at one object: is it garbage, does it wait for dependents, or is it well? Gives the uids
 * that must be looked at because of it.
 */
export async function inspect(
  graph: OwnerGraph,
  server: OwnerServer,
  uid: string,
): Promise<string[]> {
  const node = graph.get(uid);
  if (!node) return [];
  if (node.beingDeleted && !OwnerGraph.isForeground(node)) return [];
  const object = await server.latest(node);
  if (!object) {
    server.noteAbsent(identityOf(node.type, node.name, uid));
    return graph.remove(uid).inspect;
  }
  if (OwnerGraph.isForeground(node)) return advanceForeground(graph, server, node);
  const states = new Map<OwnerReference, OwnerState>();
  for (const owner of object.metadata.ownerReferences ?? []) {
    states.set(owner, await server.stateOf(owner, node.name.namespace));
  }
  const own = dependentsOf(graph, uid);
  const action = planItem(object, (owner) => states.get(owner) ?? "solid", own);
  if (action.do === "drop-owners") await server.setOwners(node, object, action.keep);
  if (action.do === "delete") {
    const current = action.unblock ? await server.unblockOwners(node, object) : object;
    if (current) await server.delete(node, current, action.propagation);
  }
  return [];
}

function dependentsOf(graph: OwnerGraph, uid: string): Dependents {
  const dependents = graph.dependentsOf(uid);
  if (dependents.length === 0) return "none";
  return dependents.some((node) => OwnerGraph.isForeground(node)) ? "waiting" : "some";
}

/** An owner in foreground deletion is deleted when no dependent blocks it. */
async function advanceForeground(
  graph: OwnerGraph,
  server: OwnerServer,
  node: GraphNode,
): Promise<string[]> {
  const blocking = graph.dependentsOf(node.uid).filter((dependent) => {
    const owner = dependent.owners.find(({ uid }) => uid === node.uid);
    return owner?.blockOwnerDeletion === true;
  });
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
  const dependents = graph.dependentsOf(uid);
  await forEach(dependents.slice(0, ORPHANED_OF_TURN_MAX), async (dependent) => {
    const object = await server.latest(dependent);
    const owners = object?.metadata.ownerReferences ?? [];
    const kept = owners.filter((owner) => owner.uid !== uid);
    if (object && kept.length < owners.length) await server.setOwners(dependent, object, kept);
    // Its informer may be late: the next turn has others.
    graph.release(dependent, uid);
  });
  if (dependents.length > ORPHANED_OF_TURN_MAX) return { again_ms: ORPHAN_AGAIN_MS };
  const object = await server.latest(node);
  if (object) await server.removeFinalizer(node, object, ORPHAN);
}
