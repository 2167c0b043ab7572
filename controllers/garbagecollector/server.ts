import type { OwnerReference } from "@raft2kube/api/gen/meta/v1.ts";
import { isNotFound, undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import type { KubeObject, ObjectName } from "@raft2kube/client-kube/object/object.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { kindKey } from "@raft2kube/client-kube/rest/discovery.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import { CodedError, tolerate } from "@raft2kube/std/errors.ts";
import { RecentMap } from "@raft2kube/std/recent-map.ts";
import { ABSENT_OWNERS_MAX } from "../limits.ts";
import { FOREGROUND, type GraphNode, type OwnerState, referencedBy } from "./graph.ts";
import type { Propagation } from "./plan.ts";

/**
 * The server as the garbage collector asks it: before anything is deleted, the truth is read there.
 */
export class OwnerServer {
  readonly #client: KubeClient;
  readonly #absent = new RecentMap<string, true>(ABSENT_OWNERS_MAX);
  #types: ReadonlyMap<string, ResourceType> = new Map();

  constructor(client: KubeClient) {
    this.#client = client;
  }

  /** Sets the resources that owners' kinds stand for, by `kindKey` of all versions. */
  setKinds(kinds: ReadonlyMap<string, ResourceType>): void {
    this.#types = kinds;
  }

  /** The metadata of an object as it is now; undefined when it is gone or was replaced. */
  async latest({ type, name, uid }: GraphNode): Promise<KubeObject | undefined> {
    const object = await this.#get(type, name);
    return object?.metadata.uid === uid ? object : undefined;
  }

  /** Reads the state of an owner of an object in `namespace`. Fails for an unknown kind. */
  async stateOf(owner: OwnerReference, namespace: string | undefined): Promise<OwnerState> {
    if (this.isAbsent(owner, namespace)) return "absent";
    const type = this.#types.get(kindKey(owner.apiVersion, owner.kind));
    // It may be one that discovery has not shown yet: nothing may be deleted for it, but look
    // again.
    if (!type) {
      const message = `no resource is known for owners of kind ${owner.apiVersion} ${owner.kind}`;
      throw new CodedError("UnknownOwnerKind", message);
    }
    if (type.namespaced && namespace === undefined) return "solid";
    const name = type.namespaced ? { namespace, name: owner.name } : { name: owner.name };
    const object = await this.#get(type, name as ObjectName);
    if (object?.metadata.uid !== owner.uid) {
      this.noteAbsent(referencedBy(owner, type.namespaced ? namespace : undefined));
      return "absent";
    }
    const { deletionTimestamp, finalizers = [] } = object.metadata;
    return deletionTimestamp && finalizers.includes(FOREGROUND) ? "waiting" : "solid";
  }

  /** Whether an owner of an object in `namespace` is known to be gone. */
  isAbsent(owner: OwnerReference, namespace: string | undefined): boolean {
    const [wide, inNamespace] = [referencedBy(owner, undefined), referencedBy(owner, namespace)];
    return this.#absent.has(wide) || this.#absent.has(inNamespace);
  }

  /** Remembers that an object is gone, by its `identityOf`: uids are never used again. */
  noteAbsent(identity: string): void {
    this.#absent.set(identity, true);
  }

  async delete(node: GraphNode, object: KubeObject, propagation: Propagation): Promise<void> {
    const { uid, resourceVersion } = object.metadata;
    const preconditions = { uid, resourceVersion };
    const options = { propagationPolicy: propagation, preconditions };
    await undefinedIfNotFound(this.#client.resource(node.type).delete(node.name, options));
  }

  async setOwners(node: GraphNode, object: KubeObject, owners: OwnerReference[]): Promise<void> {
    await this.#patch(node, object, { ownerReferences: owners });
  }

  /** Lets an object's owners go without it; the object as it then is, undefined when it is gone. */
  async unblockOwners(node: GraphNode, object: KubeObject): Promise<KubeObject | undefined> {
    const owners = object.metadata.ownerReferences ?? [];
    if (!owners.some((owner) => owner.blockOwnerDeletion)) return object;
    await this.setOwners(
      node,
      object,
      owners.map((owner) => ({ ...owner, blockOwnerDeletion: false })),
    );
    return this.latest(node);
  }

  async removeFinalizer(node: GraphNode, object: KubeObject, finalizer: string): Promise<void> {
    const finalizers = object.metadata.finalizers ?? [];
    if (!finalizers.includes(finalizer)) return;
    const kept = finalizers.filter((item) => item !== finalizer);
    await this.#patch(node, object, { finalizers: kept });
  }

  /** The resourceVersion makes the patch fail when the object changed since it was read. */
  async #patch({ type, name }: GraphNode, { metadata }: KubeObject, change: object): Promise<void> {
    const { uid, resourceVersion } = metadata;
    const patch = { metadata: { uid, resourceVersion, ...change } };
    await undefinedIfNotFound(this.#client.resource(type).patch(name, "merge", patch));
  }

  async #get(type: ResourceType, name: ObjectName): Promise<KubeObject | undefined> {
    return tolerate(this.#client.resource(type).get(name, { metadataOnly: true }), isNotFound);
  }
}
