import type { OwnerReference } from "@raft2kube/api/gen/meta/v1.ts";
import { type KubeObject, nameOf, type ObjectName } from "@raft2kube/client-kube/object/object.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";

export const ORPHAN = "orphan";
export const FOREGROUND = "foregroundDeletion";

/** An object, as far as owning and being owned goes. */
export interface GraphNode {
  readonly uid: string;
  readonly type: ResourceType;
  readonly name: ObjectName;
  owners: readonly OwnerReference[];
  finalizers: readonly string[];
  beingDeleted: boolean;
}

/**
 * An object as owner references name it, in any of its group's versions. A uid alone is no name:
 * anyone can write another object's uid into a reference.
 */
export function identityOf(
  { group, kind = "" }: Pick<ResourceType, "group" | "kind">,
  { namespace = "", name }: ObjectName,
  uid: string,
): string {
  return JSON.stringify([group, kind, namespace, name, uid]);
}

/** The identity of the owner that a reference names, if it is in `namespace` (or cluster-wide). */
export function referencedBy(owner: OwnerReference, namespace: string | undefined): string {
  const { apiVersion, kind, name, uid } = owner;
  const group = apiVersion.slice(0, Math.max(0, apiVersion.indexOf("/")));
  return identityOf({ group, kind }, namespace ? { namespace, name } : { name }, uid);
}

/** The result of a change of the graph: uids to check, and owners whose dependents to orphan. */
export type GraphWork = { inspect: string[]; orphan: string[] };

/**
 * The graph of owners and dependents, by uid, from the metadata of all objects. Owners may be known
 * only by reference.
 */
export class OwnerGraph {
  readonly #nodes = new Map<string, GraphNode>();
  readonly #dependents = new Map<string, Set<string>>();

  get size(): number {
    return this.#nodes.size;
  }

  get(uid: string): GraphNode | undefined {
    return this.#nodes.get(uid);
  }

  /** The objects that name `uid` as an owner. */
  dependentsOf(uid: string): GraphNode[] {
    const uids = this.#dependents.get(uid) ?? [];
    return [...uids].flatMap((dependent) => this.#nodes.get(dependent) ?? []);
  }

  /** Whether an object waits for its dependents to go first. */
  static isForeground(node: GraphNode): boolean {
    return node.beingDeleted && node.finalizers.includes(FOREGROUND);
  }

  /** An object is new or changed. */
  put(type: ResourceType, object: KubeObject): GraphWork {
    const { uid = "", ownerReferences: owners = [], finalizers = [] } = object.metadata;
    const old = this.#nodes.get(uid);
    const beingDeleted = Boolean(object.metadata.deletionTimestamp);
    const node: GraphNode = { uid, type, name: nameOf(object), owners, finalizers, beingDeleted };
    this.#nodes.set(uid, node);
    this.#link(uid, old?.owners ?? [], owners);
    const work: GraphWork = { inspect: [], orphan: [] };
    if (beingDeleted && finalizers.includes(ORPHAN)) work.orphan.push(uid);
    if (OwnerGraph.isForeground(node)) {
      work.inspect.push(uid);
      if (!old || !OwnerGraph.isForeground(old)) {
        for (const dependent of this.dependentsOf(uid)) work.inspect.push(dependent.uid);
      }
    }
    const ownersChanged = JSON.stringify(old?.owners ?? []) !== JSON.stringify(owners);
    if (owners.length > 0 && ownersChanged && this.#hasDoubt(node)) work.inspect.push(uid);
    if (old) work.inspect.push(...this.#unblocked(old, node));
    return work;
  }

  /** An object is gone: its dependents may be garbage, and its owners may be waiting for it. */
  remove(uid: string): GraphWork {
    const node = this.#nodes.get(uid);
    const inspect = this.dependentsOf(uid).map((dependent) => dependent.uid);
    if (node) {
      this.#nodes.delete(uid);
      this.#link(uid, node.owners, []);
      inspect.push(...this.#waitingOwners(node));
    }
    return { inspect, orphan: [] };
  }

  /** An object no longer depends on an owner, before its informer reports that. */
  release({ uid, owners }: GraphNode, owner: string): void {
    const released = owners.filter((each) => each.uid === owner);
    this.#link(uid, released, []);
  }

  /** All objects of a resource that is no longer served. */
  removeType(type: ResourceType): GraphWork {
    const gone = [...this.#nodes.values()].filter((node) => node.type === type);
    return { inspect: gone.flatMap((node) => this.remove(node.uid).inspect), orphan: [] };
  }

  /**
   * An owner that is not known, on its way out, or named wrongly must be asked for at the server.
   */
  #hasDoubt(node: GraphNode): boolean {
    return node.owners.some((reference) => {
      const owner = this.#nodes.get(reference.uid);
      if (!owner || owner.beingDeleted) return true;
      const namespace = owner.name.namespace && node.name.namespace;
      const { type, name, uid } = owner;
      return referencedBy(reference, namespace) !== identityOf(type, name, uid);
    });
  }

  /** Owners in foreground deletion that a dependent no longer blocks. */
  #unblocked(old: GraphNode, node: GraphNode): string[] {
    const blocked = new Set(
      node.owners.flatMap(({ uid, blockOwnerDeletion }) => (blockOwnerDeletion ? uid : [])),
    );
    return this.#waitingOwners(old).filter((uid) => !blocked.has(uid));
  }

  /** An object may name one owner thousands of times. */
  #waitingOwners(node: GraphNode): string[] {
    const uids = new Set(node.owners.map(({ uid }) => uid));
    return [...uids].filter((uid) => {
      const owner = this.#nodes.get(uid);
      return owner !== undefined && OwnerGraph.isForeground(owner);
    });
  }

  #link(uid: string, before: readonly OwnerReference[], after: readonly OwnerReference[]): void {
    for (const owner of before) {
      const dependents = this.#dependents.get(owner.uid);
      dependents?.delete(uid);
      if (dependents?.size === 0) this.#dependents.delete(owner.uid);
    }
    for (const owner of after) {
      const dependents = this.#dependents.get(owner.uid);
      if (dependents) dependents.add(uid);
      else this.#dependents.set(owner.uid, new Set([uid]));
    }
  }
}
