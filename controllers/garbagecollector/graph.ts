import type { OwnerReference } from "@raft2kube/api/gen/meta/v1.ts";
import { type KubeObject, nameOf, type ObjectName } from "@raft2kube/client-kube/object/object.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";

export const ORPHAN = "orphan";
export const FOREGROUND = "foregroundDeletion";

/**
 * The state of an owner: present, gone (or replaced by another object of its name), or waiting for
 * its dependents.
 */
export type OwnerState = "solid" | "absent" | "waiting";

/** An object, as far as owning and being owned goes. */
export interface GraphNode {
  readonly uid: string;
  readonly type: ResourceType;
  readonly name: ObjectName;
  owners: readonly OwnerReference[];
  finalizers: readonly string[];
  beingDeleted: boolean;
  /** States of owners that earlier turns of an inspection looked up. */
  ownerStates: Map<string, OwnerState> | undefined;
}

/**
 * An object as owner references name it, in any of its group's versions. A uid alone is no name:
 * anyone can write another object's uid into a reference.
 */
export const identityOf = (
  { group, kind = "" }: Pick<ResourceType, "group" | "kind">,
  { namespace = "", name }: ObjectName,
  uid: string,
): string => JSON.stringify([group, kind, namespace, name, uid]);

/** The identity of the owner that a reference names, if it is in `namespace` (or cluster-wide). */
export function referencedBy(owner: OwnerReference, namespace: string | undefined): string {
  const { apiVersion, kind, name, uid } = owner;
  const group = apiVersion.slice(0, Math.max(0, apiVersion.indexOf("/")));
  return identityOf({ group, kind }, namespace ? { namespace, name } : { name }, uid);
}

/**
 * The result of a change of the graph: uids to check, owners all of whose dependents are to be
 * checked, and owners whose dependents to orphan.
 */
export type GraphWork = { inspect: string[]; dependents: string[]; orphan: string[] };

/**
 * The graph of owners and dependents, by uid, from the metadata of all objects. Owners may be known
 * only by reference.
 */
export class OwnerGraph {
  readonly #nodes = new Map<string, GraphNode>();
  readonly #dependents = new Map<string, Set<string>>();
  /** Dependents that block an owner's deletion, by owner and their namespace. */
  readonly #blocking = new Map<string, Map<string, Set<string>>>();

  get size(): number {
    return this.#nodes.size;
  }

  get(uid: string): GraphNode | undefined {
    return this.#nodes.get(uid);
  }

  /** The objects that name `uid` as an owner, one by one: there may be a hundred thousand. */
  *dependentsOf(uid: string): Generator<GraphNode> {
    for (const dependent of this.#dependents.get(uid) ?? []) {
      const node = this.#nodes.get(dependent);
      if (node) yield node;
    }
  }

  /** The first of them, at most `count_max`. */
  someOf(uid: string, count_max: number): GraphNode[] {
    return take(this.dependentsOf(uid), count_max);
  }

  /** How many objects name `uid` as an owner. */
  countOf(uid: string): number {
    return this.#dependents.get(uid)?.size ?? 0;
  }

  /**
   * The first dependents that an owner in foreground deletion waits for, at most `count_max`: none
   * of another namespace.
   */
  blockersOf(owner: GraphNode, count_max: number): GraphNode[] {
    return take(this.#blockersOf(owner), count_max);
  }

  *#blockersOf({ uid, name }: GraphNode): Generator<GraphNode> {
    const blocking = this.#blocking.get(uid);
    const { namespace } = name;
    const sets = namespace ? [blocking?.get(namespace) ?? []] : (blocking?.values() ?? []);
    for (const uids of sets) {
      for (const dependent of uids) {
        const node = this.#nodes.get(dependent);
        if (node) yield node;
      }
    }
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
    const name = nameOf(object);
    const seen = { uid, type, name, owners, finalizers, beingDeleted };
    const node: GraphNode = { ...seen, ownerStates: undefined };
    this.#nodes.set(uid, node);
    if (old) this.#unlink(old, old.owners);
    this.#link(node);
    const work: GraphWork = { inspect: [], dependents: [], orphan: [] };
    if (beingDeleted && finalizers.includes(ORPHAN)) work.orphan.push(uid);
    if (OwnerGraph.isForeground(node)) {
      work.inspect.push(uid);
      const isNew = !old || !OwnerGraph.isForeground(old);
      if (isNew && this.countOf(uid) > 0) work.dependents.push(uid);
    }
    const ownersChanged = JSON.stringify(old?.owners ?? []) !== JSON.stringify(owners);
    if (owners.length > 0 && ownersChanged && this.#hasDoubt(node)) work.inspect.push(uid);
    if (old) work.inspect.push(...this.#unblocked(old, node));
    return work;
  }

  /** An object is gone: its dependents may be garbage, and its owners may be waiting for it. */
  remove(uid: string): GraphWork {
    const node = this.#nodes.get(uid);
    const inspect: string[] = [];
    if (node) {
      this.#nodes.delete(uid);
      this.#unlink(node, node.owners);
      inspect.push(...this.#waitingOwners(node));
    }
    return { inspect, dependents: this.countOf(uid) > 0 ? [uid] : [], orphan: [] };
  }

  /** An object no longer depends on an owner, before its informer reports that. */
  release(dependent: GraphNode, owner: string): void {
    this.#unlink(
      dependent,
      dependent.owners.filter((each) => each.uid === owner),
    );
  }

  /** All objects of a resource that is no longer served. */
  removeType(type: ResourceType): GraphWork {
    const gone = [...this.#nodes.values()].filter((node) => node.type === type);
    const works = gone.map((node) => this.remove(node.uid));
    return {
      inspect: works.flatMap(({ inspect }) => inspect),
      dependents: works.flatMap(({ dependents }) => dependents),
      orphan: [],
    };
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

  #link({ uid, name: { namespace = "" }, owners }: GraphNode): void {
    for (const owner of owners) {
      addTo(this.#dependents, owner.uid, uid);
      if (!owner.blockOwnerDeletion) continue;
      const blocking = this.#blocking.get(owner.uid) ?? new Map<string, Set<string>>();
      this.#blocking.set(owner.uid, blocking);
      addTo(blocking, namespace, uid);
    }
  }

  #unlink({ uid, name: { namespace = "" } }: GraphNode, owners: readonly OwnerReference[]): void {
    for (const owner of owners) {
      removeFrom(this.#dependents, owner.uid, uid);
      const blocking = this.#blocking.get(owner.uid);
      if (!blocking) continue;
      removeFrom(blocking, namespace, uid);
      if (blocking.size === 0) this.#blocking.delete(owner.uid);
    }
  }
}

function take<T>(items: Iterable<T>, count_max: number): T[] {
  const taken: T[] = [];
  for (const item of items) {
    if (taken.push(item) >= count_max) break;
  }
  return taken;
}

function addTo(sets: Map<string, Set<string>>, key: string, value: string): void {
  const set = sets.get(key);
  if (set) set.add(value);
  else sets.set(key, new Set([value]));
}

function removeFrom(sets: Map<string, Set<string>>, key: string, value: string): void {
  const set = sets.get(key);
  set?.delete(value);
  if (set?.size === 0) sets.delete(key);
}
