import type {
  Event,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  Service,
} from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import type { StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import { isForbidden, isNotFound } from "@raft2kube/client-kube/errors.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import { isPodActive } from "@raft2kube/client-kube/object/pod-state.ts";
import type { ListOptions } from "@raft2kube/client-kube/rest/query.ts";
import type { KubeRequester } from "@raft2kube/client-kube/rest/request.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import {
  ENDPOINT_SLICES,
  EVENTS,
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  PODS,
  SERVICES,
  STORAGE_CLASSES,
} from "@raft2kube/client-kube/rest/resources.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import { explainClaim } from "./claim.ts";
import type { Explanation } from "./explanation.ts";
import { explainPod } from "./pod.ts";
import { claimNames } from "./scheduling.ts";
import { explainService, selects } from "./service.ts";

/** The kinds that can be explained, by their names in the API and in short. */
export const EXPLAINED: Readonly<Record<string, "pods" | "services" | "persistentvolumeclaims">> = {
  pod: "pods",
  pods: "pods",
  po: "pods",
  service: "services",
  services: "services",
  svc: "services",
  pvc: "persistentvolumeclaims",
  persistentvolumeclaim: "persistentvolumeclaims",
  persistentvolumeclaims: "persistentvolumeclaims",
};

/** Lists are bounded: what lies beyond is not looked at. */
const LIMIT = 5_000;

/** Reads what an explanation needs and makes it; undefined: there is no such object. */
export async function explain(
  kube: KubeRequester,
  kind: string,
  namespace: string,
  name: string,
  now_ms: number,
): Promise<Explanation | undefined> {
  const facts = new Facts(kube, namespace, now_ms);
  const found = await facts.explain(EXPLAINED[kind], name);
  return !found || facts.unseen.size === 0 ? found : { ...found, unseen: [...facts.unseen] };
}

class Facts {
  readonly #kube: KubeRequester;
  readonly #namespace: string;
  readonly #now_ms: number;
  /** Resources that the user may not read, so that the explanation may lack a cause. */
  readonly unseen = new Set<string>();

  constructor(kube: KubeRequester, namespace: string, now_ms: number) {
    this.#kube = kube;
    this.#namespace = namespace;
    this.#now_ms = now_ms;
  }

  async explain(plural: string | undefined, name: string): Promise<Explanation | undefined> {
    switch (plural) {
      case "pods": {
        const pod = await this.#one<Pod>(PODS, name);
        return pod && this.#pod(pod);
      }
      case "services": {
        const service = await this.#one<Service>(SERVICES, name);
        return service && this.#service(service);
      }
      case "persistentvolumeclaims": {
        const claim = await this.#one<PersistentVolumeClaim>(PERSISTENT_VOLUME_CLAIMS, name);
        return claim && this.#claim(claim);
      }
      default:
        return undefined;
    }
  }

  async #pod(pod: Pod): Promise<Explanation> {
    const isStarted = pod.status?.phase === "Running";
    const claims = (isStarted ? [] : claimNames(pod)).map((name) =>
      this.explain("persistentvolumeclaims", name),
    );
    const [events, nodes, explained] = await Promise.all([
      this.#events("Pod", pod),
      this.#all<Node>(NODES),
      Promise.all(claims),
    ]);
    const known = explained.filter((claim) => claim !== undefined);
    return explainPod({ pod, events, nodes, claims: known, now_ms: this.#now_ms });
  }

  async #service(service: Service): Promise<Explanation> {
    const labelSelector = `kubernetes.io/service-name=${service.metadata.name}`;
    const [pods = [], slices = []] = await Promise.all([
      this.#all<Pod>(PODS),
      this.#all<EndpointSlice>(ENDPOINT_SLICES, { labelSelector }),
    ]);
    const first = pods.find((pod) => selects(service, pod) && isPodActive(pod));
    const explained = first && (await this.#pod(first));
    const now_ms = this.#now_ms;
    return explainService({
      service,
      pods,
      slices,
      explain: (pod) =>
        pod === first && explained ? explained : explainPod({ pod, events: [], now_ms }),
    });
  }

  async #claim(claim: PersistentVolumeClaim): Promise<Explanation> {
    const [events, pods = [], classes, volumes] = await Promise.all([
      this.#events("PersistentVolumeClaim", claim),
      this.#all<Pod>(PODS),
      this.#all<StorageClass>(STORAGE_CLASSES),
      this.#all<PersistentVolume>(PERSISTENT_VOLUMES),
    ]);
    const users = pods.filter((pod) => claimNames(pod).includes(claim.metadata.name ?? ""));
    return explainClaim({ claim, events, pods: users, classes, volumes });
  }

  async #events(kind: string, { metadata: { name } }: KubeObject): Promise<readonly Event[]> {
    const fieldSelector = `involvedObject.kind=${kind},involvedObject.name=${name}`;
    return (await this.#all<Event>(EVENTS, { fieldSelector })) ?? [];
  }

  #one<T extends KubeObject>(type: ResourceType, name: string): Promise<T | undefined> {
    const client = new ResourceClient<T>(this.#kube, type);
    const read = client.get({ namespace: this.#namespace, name });
    return this.#seen(`${type.plural}/${name}`, read);
  }

  async #all<T extends KubeObject>(
    type: ResourceType,
    options: ListOptions = {},
  ): Promise<T[] | undefined> {
    const client = new ResourceClient<T>(this.#kube, type);
    const query = { namespace: this.#namespace, limit: LIMIT, ...options };
    return (await this.#seen(type.plural, client.list(query)))?.items;
  }

  /** Resolves with undefined for what is not there, and for what may not be read, which is noted. */
  #seen<T>(what: string, read: Promise<T>): Promise<T | undefined> {
    return tolerate(read, (thrown) => {
      if (isForbidden(thrown)) this.unseen.add(what);
      return isForbidden(thrown) || isNotFound(thrown);
    });
  }
}
