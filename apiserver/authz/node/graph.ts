import { reference } from "@raft2kube/api/core/v1/pod/references.ts";
import type { PersistentVolume, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { CacheEvent } from "../../cache/event.ts";
import type { AuthorizationMetrics } from "../../metrics/access.ts";
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
type NodePod = { node: string; references: ReadonlySet<string> };

/** Objects that the pods of each node refer to, updated from the watch caches. */
export class NodeGraph {
  /** Pods of nodes by key. */
  readonly #pods = new Map<string, NodePod>();
  readonly #podsOfNode = new Map<string, Set<string>>();
  /** Claims by reference; the volume that a claim names is "" if there is none. */
  readonly #claims = new Map<string, { uid: string; volume: string }>();
  /** Volumes by name: the claim that a volume names, its own reference and those of its secrets. */
  readonly #volumes = new Map<string, { claim: string; references: readonly string[] }>();
  /** Nodes of the objects that belong to one node, by reference: `volumeattachments//name`. */
  readonly #nodeOf = new Map<string, string>();
  readonly #stops: (() => void)[] = [];

  static async follow(
    resources: Resources,
    metrics: AuthorizationMetrics,
    clock: Clock,
  ): Promise<NodeGraph> {
    const graph = new NodeGraph();
    const watch = async (
      [apiVersion, plural]: readonly [string, string],
      name: string,
      take: (event: CacheEvent) => void,
    ) => {
      const cache = await resources.of(apiVersion, plural).cache();
      const timed = (event: CacheEvent) => {
        const from_ms = clock.monotonic();
        take(event);
        const operation = `${event.type === "DELETED" ? "Delete" : "Add"}${name}`;
        metrics.graphChanged(operation, (clock.monotonic() - from_ms) / 1_000);
      };
      graph.#stops.push(cache.subscribe(timed));
    };
    await watch(["v1", "pods"], "Pod", (event) => graph.#takePod(event));
    await watch(["v1", "persistentvolumeclaims"], "PVC", (event) => graph.#takeClaim(event));
    await watch(["v1", "persistentvolumes"], "PV", (event) => graph.#takeVolume(event));
    const ofNode = (place: readonly [string, string], name: string) =>
      watch(place, name, (event) => graph.#takeOfNode(place[1], event));
    await ofNode(["storage.k8s.io/v1", "volumeattachments"], "VolumeAttachment");
    await ofNode(["resource.k8s.io/v1", "resourceslices"], "ResourceSlice");
    return graph;
  }

  close(): void {
    for (const stop of this.#stops) stop();
  }

  #takePod(event: CacheEvent): void {
    const { key } = event.entry;
    const before = this.#pods.get(key);
    if (before) forget(this.#podsOfNode, before.node, key);
    this.#pods.delete(key);
    const node = event.entry.fields["spec.nodeName"] ?? "";
    if (event.type === "DELETED" || node === "") return;
    const references = podReferences(event.entry.object<ReferringPod>());
    this.#pods.set(key, { node, references });
    const pods = this.#podsOfNode.get(node) ?? new Set<string>();
    this.#podsOfNode.set(node, pods.add(key));
  }

  #takeClaim({ type, entry }: CacheEvent): void {
    const { metadata, spec } = entry.object<Claim>();
    const key = reference("persistentvolumeclaims", metadata.namespace ?? "", entry.name);
    if (type === "DELETED") this.#claims.delete(key);
    else this.#claims.set(key, { uid: metadata.uid ?? "", volume: spec?.volumeName ?? "" });
  }

  #takeVolume({ type, entry }: CacheEvent): void {
    const { name } = entry;
    const { spec } = entry.object<Volume>();
    const claim = spec?.claimRef?.uid;
    if (type === "DELETED" || !claim) return void this.#volumes.delete(name);
    const references = [reference("persistentvolumes", "", name)];
    for (const field of NODE_SECRETS) {
      const value = spec?.csi?.[field];
      if (value?.name && value.namespace) {
        references.push(reference("secrets", value.namespace, value.name));
      }
    }
    this.#volumes.set(name, { claim, references });
  }

  #takeOfNode(plural: string, event: CacheEvent): void {
    const key = reference(plural, "", event.entry.name);
    const node = event.entry.object<OfNode>().spec?.nodeName;
    if (event.type === "DELETED" || !node) this.#nodeOf.delete(key);
    else this.#nodeOf.set(key, node);
  }

  /** Whether there is a claim with this uid. */
  hasClaim(uid: string): boolean {
    return [...this.#claims.values()].some((claim) => claim.uid === uid);
  }

  /** Whether a pod on `node` refers to the object, directly or through its claims' volumes. */
  reaches(node: string, resource: string, namespace: string, name: string): boolean {
    const wanted = reference(resource, namespace, name);
    if (this.#nodeOf.get(wanted) === node) return true;
    for (const key of this.#podsOfNode.get(node) ?? []) {
      const references = this.#pods.get(key)?.references;
      if (references === undefined) continue;
      if (references.has(wanted)) return true;
      if (this.#throughVolumes(references, wanted)) return true;
    }
    return false;
  }

  /**
   * A volume counts where claim and volume are bound to each other: by a volume that merely names a
   * claim, its creator could give a node any secret.
   */
  #throughVolumes(references: ReadonlySet<string>, wanted: string): boolean {
    for (const each of references) {
      const claim = this.#claims.get(each);
      const volume = claim && this.#volumes.get(claim.volume);
      if (volume?.claim === claim?.uid && volume?.references.includes(wanted)) return true;
    }
    return false;
  }
}

/** Removes a key from its group, and the group when it becomes empty. */
function forget(groups: Map<string, Set<string>>, group: string, key: string): void {
  const members = groups.get(group);
  members?.delete(key);
  if (members?.size === 0) groups.delete(group);
}
