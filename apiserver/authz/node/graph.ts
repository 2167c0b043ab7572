import { reference } from "@raft2kube/api/core/v1/pod/references.ts";
import type { PersistentVolume, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { Groups } from "@raft2kube/std/groups.ts";
import type { CacheEvent } from "../../cache/event.ts";
import type { Resources } from "../../resource/resources.ts";
import { podReferences, type ReferringPod } from "./references.ts";

type Volume = PersistentVolume & KubeObject;
type Claim = PersistentVolumeClaim & KubeObject;

/** A VolumeAttachment or a ResourceSlice. */
interface OfNode extends KubeObject {
  spec?: { nodeName?: string };
}

/** References to the secrets of a volume that a node may read; others are for controllers. */
const NODE_SECRETS = ["nodeStageSecretRef", "nodePublishSecretRef", "nodeExpandSecretRef"] as const;

/** The node of a pod and the objects that the pod refers to. */
type NodePod = { node: string; references: readonly string[] };

/**
 * Objects that the pods of each node refer to, updated from the watch caches. No question walks
 * over pods: tenants make them, each of thousands of references.
 */
export class NodeGraph {
  /** Pods of nodes by key. */
  readonly #pods = new Map<string, NodePod>();
  /** How many pods of each node refer to an object, by its reference. */
  readonly #named = new Map<string, Map<string, number>>();
  /** Claims by reference; the volume that a claim names is "" if there is none. */
  readonly #claims = new Map<string, { uid: string; volume: string }>();
  /** References of claims by their UIDs. */
  readonly #claimOf = new Map<string, string>();
  /** Volumes by name: the claim that a volume names, its own reference and those of its secrets. */
  readonly #volumes = new Map<string, { claim: string; references: readonly string[] }>();
  /** Names of volumes by these references. */
  readonly #volumesOf = new Groups();
  /** Nodes of the objects that belong to one node, by reference: `volumeattachments//name`. */
  readonly #nodeOf = new Map<string, string>();
  readonly #stops: (() => void)[] = [];

  static async follow(resources: Resources): Promise<NodeGraph> {
    const graph = new NodeGraph();
    const watch = async (apiVersion: string, plural: string, take: (event: CacheEvent) => void) => {
      const cache = await resources.of(apiVersion, plural).cache();
      graph.#stops.push(cache.subscribe(take));
    };
    await watch("v1", "pods", (event) => graph.#takePod(event));
    await watch("v1", "persistentvolumeclaims", (event) => graph.#takeClaim(event));
    await watch("v1", "persistentvolumes", (event) => graph.#takeVolume(event));
    const ofNode = (apiVersion: string, plural: string) =>
      watch(apiVersion, plural, (event) => graph.#takeOfNode(plural, event));
    await ofNode("storage.k8s.io/v1", "volumeattachments");
    await ofNode("resource.k8s.io/v1", "resourceslices");
    return graph;
  }

  close(): void {
    for (const stop of this.#stops) stop();
  }

  #takePod(event: CacheEvent): void {
    const { key } = event.entry;
    const before = this.#pods.get(key);
    if (before) this.#count(before, -1);
    this.#pods.delete(key);
    const node = event.entry.fields["spec.nodeName"] ?? "";
    if (event.type === "DELETED" || node === "") return;
    const references = [...podReferences(event.entry.object<ReferringPod>())];
    this.#pods.set(key, { node, references });
    this.#count({ node, references }, 1);
  }

  #count({ node, references }: NodePod, change: 1 | -1): void {
    const named = this.#named.get(node) ?? new Map<string, number>();
    for (const each of references) {
      const count = (named.get(each) ?? 0) + change;
      if (count > 0) named.set(each, count);
      else named.delete(each);
    }
    if (named.size > 0) this.#named.set(node, named);
    else this.#named.delete(node);
  }

  #takeClaim({ type, entry }: CacheEvent): void {
    const { metadata, spec } = entry.object<Claim>();
    const key = reference("persistentvolumeclaims", metadata.namespace ?? "", entry.name);
    this.#claimOf.delete(this.#claims.get(key)?.uid ?? "");
    this.#claims.delete(key);
    if (type === "DELETED") return;
    const { uid = "" } = metadata;
    this.#claims.set(key, { uid, volume: spec?.volumeName ?? "" });
    this.#claimOf.set(uid, key);
  }

  #takeVolume({ type, entry }: CacheEvent): void {
    const { name } = entry;
    const { spec } = entry.object<Volume>();
    const claim = spec?.claimRef?.uid;
    for (const each of this.#volumes.get(name)?.references ?? []) {
      this.#volumesOf.delete(each, name);
    }
    this.#volumes.delete(name);
    if (type === "DELETED" || !claim) return;
    const references = [reference("persistentvolumes", "", name)];
    for (const field of NODE_SECRETS) {
      const value = spec?.csi?.[field];
      if (value?.name && value.namespace) {
        references.push(reference("secrets", value.namespace, value.name));
      }
    }
    this.#volumes.set(name, { claim, references });
    for (const each of references) this.#volumesOf.add(each, name);
  }

  #takeOfNode(plural: string, event: CacheEvent): void {
    const key = reference(plural, "", event.entry.name);
    const node = event.entry.object<OfNode>().spec?.nodeName;
    if (event.type === "DELETED" || !node) this.#nodeOf.delete(key);
    else this.#nodeOf.set(key, node);
  }

  /** Whether there is a claim with this uid. */
  hasClaim(uid: string): boolean {
    return this.#claimOf.has(uid);
  }

  /** Whether a pod on `node` refers to the object, directly or through its claims' volumes. */
  reaches(node: string, resource: string, namespace: string, name: string): boolean {
    const wanted = reference(resource, namespace, name);
    if (this.#nodeOf.get(wanted) === node) return true;
    const named = this.#named.get(node);
    if (named === undefined) return false;
    return named.has(wanted) || this.#throughVolumes(named, wanted);
  }

  /**
   * A volume counts where claim and volume are bound to each other: by a volume that merely names a
   * claim, its creator could give a node any secret.
   */
  #throughVolumes(named: ReadonlyMap<string, number>, wanted: string): boolean {
    for (const volume of this.#volumesOf.of(wanted)) {
      const claim = this.#claimOf.get(this.#volumes.get(volume)?.claim ?? "") ?? "";
      if (this.#claims.get(claim)?.volume === volume && named.has(claim)) return true;
    }
    return false;
  }
}
