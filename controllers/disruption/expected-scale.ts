import type { Deployment, ReplicaSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { Scale } from "@raft2kube/api/gen/autoscaling/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { OwnerReference } from "@raft2kube/api/gen/meta/v1.ts";
import { isNotFound, KubeError } from "@raft2kube/client-kube/errors.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { controllerOf } from "@raft2kube/client-kube/object/owner.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { DiscoveredResource } from "@raft2kube/client-kube/rest/discovery.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { ScalableKinds } from "../scalable-kinds.ts";

/** The sum of replicas of the pods' controllers. */
export interface ExpectedScale {
  readonly replicas: number;
  /** Pods without a controller, for which no expected count exists. */
  readonly unmanaged: readonly Pod[];
}

type Found = { readonly uid: string; readonly replicas: number };

/** Finds out how many pods the controllers of pods want. */
export class ScaleFinder {
  readonly #client: KubeClient;
  readonly #sets: Informer<ReplicaSet>;
  readonly #deployments: Informer<Deployment>;
  readonly #kinds: ScalableKinds;

  constructor(client: KubeClient, sets: Informer<ReplicaSet>, deployments: Informer<Deployment>) {
    this.#client = client;
    this.#kinds = new ScalableKinds(client);
    this.#sets = sets;
    this.#deployments = deployments;
  }

  /** Each controller counted once. Throws when one of them is not found, or has no scale. */
  async of(pods: readonly Pod[]): Promise<ExpectedScale> {
    const replicas = new Map<string, number>();
    const asked = new Set<string>();
    const unmanaged: Pod[] = [];
    for (const pod of pods) {
      const owner = controllerOf(pod);
      if (owner === undefined) unmanaged.push(pod);
      else if (!asked.has(owner.uid)) {
        asked.add(owner.uid);
        const found = await this.#find(owner, pod.metadata.namespace ?? "");
        if (found === undefined) throw noController(pod);
        replicas.set(found.uid, found.replicas);
      }
    }
    const sum = [...replicas.values()].reduce((all, each) => all + each, 0);
    return { replicas: sum, unmanaged };
  }

  async #find(owner: OwnerReference, namespace: string): Promise<Found | undefined> {
    const { kind, apiVersion, name, uid } = owner;
    if (kind !== "ReplicaSet" || !apiVersion.startsWith("apps/")) {
      return await this.#scaleOf(owner, namespace);
    }
    const set = this.#sets.store.get(`${namespace}/${name}`);
    // One that the informer does not have yet may be there already.
    if (set?.metadata.uid !== uid) return await this.#scaleOf(owner, namespace);
    const deployer = controllerOf(set);
    if (deployer?.kind !== "Deployment") return { uid, replicas: set.spec.replicas ?? 1 };
    const deployment = this.#deployments.store.get(`${namespace}/${deployer.name}`);
    if (deployment?.metadata.uid !== deployer.uid) return await this.#scaleOf(deployer, namespace);
    return { uid: deployer.uid, replicas: deployment.spec.replicas ?? 1 };
  }

  /** Reads the scale subresource, which every kind has whose size can be set. */
  async #scaleOf(owner: OwnerReference, namespace: string): Promise<Found | undefined> {
    const type = await this.#typeOf(owner);
    const resource = this.#client.resource(type);
    try {
      const name = { namespace, name: owner.name };
      const { metadata, spec } = await resource.getSubresource<Scale>(name, "scale");
      if (metadata.uid !== owner.uid) return undefined;
      return { uid: owner.uid, replicas: spec?.replicas ?? 0 };
    } catch (thrown) {
      if (!isNotFound(thrown)) throw thrown;
      // An object that is not there is named; a subresource that is not there has no name.
      if (thrown instanceof KubeError && thrown.status.details?.name) return undefined;
      const what = type.group === "" ? type.plural : `${type.plural}.${type.group}`;
      throw new CodedError("NoScale", `${what} does not implement the scale subresource`);
    }
  }

  async #typeOf({ apiVersion, kind }: OwnerReference): Promise<DiscoveredResource> {
    const [version = "", group = ""] = apiVersion.split("/").reverse();
    const found = await this.#kinds.find(group, kind);
    if (found) return found;
    const what = `no matches for kind ${JSON.stringify(kind)} in version`;
    throw new CodedError("UnknownOwnerKind", `${what} ${JSON.stringify(`${group}/${version}`)}`);
  }
}

function noController({ metadata }: Pod): CodedError {
  const name = JSON.stringify(metadata.name);
  return new CodedError("NoController", `found no controllers for pod ${name}`);
}
