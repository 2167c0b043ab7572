import type { Scale } from "@raft2kube/api/gen/autoscaling/v1.ts";
import type { CrossVersionObjectReference } from "@raft2kube/api/gen/autoscaling/v2.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { isConflict } from "@raft2kube/client-kube/errors.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { SCALE_ATTEMPTS_MAX } from "../limits.ts";
import { ScalableKinds } from "../scalable-kinds.ts";

/** The scale of a workload as the server has it, and where it is changed. */
export interface ScaleTarget {
  readonly scale: Scale;
  readonly resource: ResourceClient<KubeObject>;
  readonly address: { readonly namespace: string; readonly name: string };
}

/** Finds workloads by kind and name, and sets their number of replicas by `/scale`. */
export class ScaleTargets {
  readonly #client: KubeClient;
  readonly #kinds: ScalableKinds;

  constructor(client: KubeClient) {
    this.#client = client;
    this.#kinds = new ScalableKinds(client);
  }

  /** The scale of an autoscaler's target. Throws the server's errors, and for unknown kinds. */
  async get(reference: CrossVersionObjectReference, namespace: string): Promise<ScaleTarget> {
    const resource = this.#client.resource<KubeObject>(await this.#typeOf(reference));
    const address = { namespace, name: reference.name };
    const scale = await resource.getSubresource<Scale>(address, "scale");
    return { scale, resource, address };
  }

  /** Writes the number; after a conflict the newest state gets the same number. */
  async set({ scale, resource, address }: ScaleTarget, replicas: number): Promise<void> {
    for (let attempt = 1, current = scale; ; attempt++) {
      try {
        const wanted = { ...current, spec: { ...current.spec, replicas } };
        await resource.updateSubresource(address, "scale", wanted);
        return;
      } catch (thrown) {
        if (!isConflict(thrown) || attempt >= SCALE_ATTEMPTS_MAX) throw thrown;
        current = await resource.getSubresource<Scale>(address, "scale");
      }
    }
  }

  /**
   * Finds the kind in the preferred version of its group, whichever version is named, as upstream.
   */
  async #typeOf({ apiVersion = "", kind }: CrossVersionObjectReference) {
    const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
    const found = await this.#kinds.find(group, kind);
    if (found) return found;
    const message = `no matches for kind ${JSON.stringify(kind)} in group ${JSON.stringify(group)}`;
    throw new CodedError("UnknownKind", message);
  }
}
