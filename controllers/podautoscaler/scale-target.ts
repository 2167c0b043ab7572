import type { Scale } from "@raft2kube/api/gen/autoscaling/v1.ts";
import type { CrossVersionObjectReference } from "@raft2kube/api/gen/autoscaling/v2.ts";
import { discover, type DiscoveredResource } from "@raft2kube/client-kube/rest/discovery.ts";
import { isConflict } from "@raft2kube/client-kube/errors.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { SCALE_ATTEMPTS_MAX } from "../limits.ts";

/** The scale of a workload as the server has it, and where it is changed. */
export interface ScaleTarget {
  readonly scale: Scale;
  readonly resource: ResourceClient<KubeObject>;
}

/** Finds workloads by kind and name, and sets their number of replicas by `/scale`. */
export class ScaleTargets {
  readonly #client: KubeClient;
  #known: readonly DiscoveredResource[] = [];

  constructor(client: KubeClient) {
    this.#client = client;
  }

  /** The scale of what an autoscaler names. Fails as the server does, and on unknown kinds. */
  async get(reference: CrossVersionObjectReference, namespace: string): Promise<ScaleTarget> {
    const resource = this.#client.resource<KubeObject>(await this.#typeOf(reference));
    const scale = await resource.getSubresource<Scale>({ namespace, name: reference.name },
      "scale");
    return { scale, resource };
  }

  /** Writes the number; after a conflict the newest state gets the same number. */
  async set({ scale, resource }: ScaleTarget, replicas: number): Promise<void> {
    const { namespace = "", name = "" } = scale.metadata ?? {};
    for (let attempt = 1, current = scale; ; attempt++) {
      try {
        const wanted = { ...current, spec: { ...current.spec, replicas } };
        await resource.updateSubresource({ namespace, name }, "scale", wanted);
        return;
      } catch (thrown) {
        if (!isConflict(thrown) || attempt >= SCALE_ATTEMPTS_MAX) throw thrown;
        current = await resource.getSubresource<Scale>({ namespace, name }, "scale");
      }
    }
  }

  /** In any version of its group, as upstream: the preferred one. */
  async #typeOf({ apiVersion = "", kind }: CrossVersionObjectReference) {
    const group = apiVersion.includes("/") ? apiVersion.slice(0, apiVersion.indexOf("/")) : "";
    const find = () => this.#known.find((each) => each.group === group && each.kind === kind);
    const known = find();
    if (known) return known;
    this.#known = await discover(this.#client);
    const found = find();
    if (found) return found;
    const message = `no matches for kind ${JSON.stringify(kind)} in group ${JSON.stringify(group)}`;
    throw new CodedError("UnknownKind", message);
  }
}
