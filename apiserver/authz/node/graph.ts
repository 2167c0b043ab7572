import { reference } from "@raft2kube/api/core/v1/pod/references.ts";
import type { PersistentVolume } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { CacheEvent } from "../../cache/event.ts";
import type { AuthorizationMetrics } from "../../metrics/access.ts";
import type { Resources } from "../../resource/resources.ts";
import { podReferences, type ReferringPod } from "./references.ts";

type Volume = PersistentVolume & KubeObject;

/** A volume's attachment, or a slice of devices. */
interface OfNode extends KubeObject {
  spec?: { nodeName?: string };
}

/** Secrets of a volume that a node needs; the others are its controller's alone. */
const NODE_SECRETS = [
  "nodeStageSecretRef", "nodePublishSecretRef", "nodeExpandSecretRef",
] as const;

interface Held {
  node: string;
  references: ReadonlySet<string>;
}

/** Which objects each node's pods refer to, kept current by the watch caches. */
export class NodeGraph {
  /** By pod key. */
  readonly #pods = new Map<string, Held>();
  readonly #podsOfNode = new Map<string, Set<string>>();
  /**
   * `persistentvolumes//pv1` and the secrets it needs, by the claim that it names, then by its key:
   * a volume that was released names its claim still when another is bound to that.
   */
  readonly #volumesOfClaim = new Map<string, Map<string, readonly string[]>>();
  readonly #claimOfVolume = new Map<string, string>();
  /** By `volumeattachments//name`: objects that belong to a node as a whole. */
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

  #takeVolume(event: CacheEvent): void {
    const { key, name } = event.entry;
    const before = this.#claimOfVolume.get(key);
    if (before !== undefined) forget(this.#volumesOfClaim, before, key);
    this.#claimOfVolume.delete(key);
    if (event.type === "DELETED") return;
    const { spec } = event.entry.object<Volume>();
    const claim = spec?.claimRef;
    if (!claim?.name) return;
    const claimKey = reference("persistentvolumeclaims", claim.namespace ?? "", claim.name);
    const references = [reference("persistentvolumes", "", name)];
    for (const field of NODE_SECRETS) {
      const value = spec?.csi?.[field];
      if (value?.name && value.namespace) {
        references.push(reference("secrets", value.namespace, value.name));
      }
    }
    const volumes = this.#volumesOfClaim.get(claimKey) ?? new Map<string, readonly string[]>();
    this.#volumesOfClaim.set(claimKey, volumes.set(key, references));
    this.#claimOfVolume.set(key, claimKey);
  }

  #takeOfNode(plural: string, event: CacheEvent): void {
    const key = reference(plural, "", event.entry.name);
    const node = event.entry.object<OfNode>().spec?.nodeName;
    if (event.type === "DELETED" || !node) this.#nodeOf.delete(key);
    else this.#nodeOf.set(key, node);
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

  #throughVolumes(references: ReadonlySet<string>, wanted: string): boolean {
    for (const each of references) {
      if (!each.startsWith("persistentvolumeclaims/")) continue;
      for (const references of this.#volumesOfClaim.get(each)?.values() ?? []) {
        if (references.includes(wanted)) return true;
      }
    }
    return false;
  }
}

/** Takes a key out of the group it is in, and the group out with its last. */
function forget<G extends { delete(key: string): boolean; readonly size: number }>(
  groups: Map<string, G>,
  group: string,
  key: string,
): void {
  const members = groups.get(group);
  members?.delete(key);
  if (members?.size === 0) groups.delete(group);
}
