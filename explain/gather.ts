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
import { explainClaim } from "./claim.ts";
import type { Explanation } from "./explanation.ts";
import { explainPod } from "./pod.ts";
import { claimNames } from "./scheduling.ts";
import { explainService } from "./service.ts";

/**
 * Reads a path of the API as JSON: `none` where there is no such object, `forbidden` where the user
 * has no right to it. All other failures reject.
 */
export type Read = (path: string) => Promise<object | "none" | "forbidden">;

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
  read: Read,
  kind: string,
  namespace: string,
  name: string,
  now_ms: number,
): Promise<Explanation | undefined> {
  const facts = new Facts(read, namespace, now_ms);
  const plural = EXPLAINED[kind];
  const object = plural && (await facts.one(`${plural}/${encodeURIComponent(name)}`));
  if (!object) return undefined;
  const found = await (plural === "pods"
    ? facts.pod(object as Pod)
    : plural === "services"
      ? facts.service(object as Service)
      : facts.claim(object as PersistentVolumeClaim));
  return facts.unseen.size === 0 ? found : { ...found, unseen: [...facts.unseen] };
}

class Facts {
  readonly #read: Read;
  readonly #namespace: string;
  readonly #now_ms: number;
  /** Resources that the user may not read, so that the explanation may lack a cause. */
  readonly unseen = new Set<string>();

  constructor(read: Read, namespace: string, now_ms: number) {
    this.#read = read;
    this.#namespace = namespace;
    this.#now_ms = now_ms;
  }

  async one(path: string): Promise<object | undefined> {
    const found = await this.#read(`${this.#core()}/${path}`);
    if (found === "forbidden") this.unseen.add(path);
    return typeof found === "string" ? undefined : found;
  }

  async pod(pod: Pod): Promise<Explanation> {
    const nodes = this.#all<Node>("/api/v1/nodes", "nodes");
    const events = this.#events("Pod", pod.metadata.name ?? "");
    const isStarted = pod.status?.phase === "Running";
    const claims = isStarted
      ? []
      : await Promise.all(
          claimNames(pod).map((name) =>
            this.one(`persistentvolumeclaims/${encodeURIComponent(name)}`),
          ),
        );
    const unbound = claims.filter((claim) => claim !== undefined);
    const explained = unbound.map((claim) => this.claim(claim as PersistentVolumeClaim));
    return explainPod({
      pod,
      events: await events,
      nodes: await nodes,
      claims: await Promise.all(explained),
      now_ms: this.#now_ms,
    });
  }

  async service(service: Service): Promise<Explanation> {
    const label = encodeURIComponent(`kubernetes.io/service-name=${service.metadata.name}`);
    const path = `/apis/discovery.k8s.io/v1/namespaces/${encodeURIComponent(this.#namespace)}`;
    const [pods = [], slices = []] = await Promise.all([
      this.#all<Pod>(`${this.#core()}/pods`, "pods"),
      this.#all<EndpointSlice>(
        `${path}/endpointslices`,
        "endpointslices",
        `labelSelector=${label}`,
      ),
    ]);
    const explained = new Map<Pod, Explanation>();
    const candidates = pods.filter(
      (pod) => selects(service, pod) && !pod.metadata.deletionTimestamp,
    );
    const first = candidates.find(
      (pod) => !["Succeeded", "Failed"].includes(pod.status?.phase ?? ""),
    );
    if (first) explained.set(first, await this.pod(first));
    return explainService({
      service,
      pods,
      slices,
      explain: (pod) => explained.get(pod) ?? explainPod({ pod, events: [], now_ms: this.#now_ms }),
    });
  }

  async claim(claim: PersistentVolumeClaim): Promise<Explanation> {
    const { name = "" } = claim.metadata;
    const [events, pods = [], classes, volumes] = await Promise.all([
      this.#events("PersistentVolumeClaim", name),
      this.#all<Pod>(`${this.#core()}/pods`, "pods"),
      this.#all<StorageClass>("/apis/storage.k8s.io/v1/storageclasses", "storageclasses"),
      this.#all<PersistentVolume>("/api/v1/persistentvolumes", "persistentvolumes"),
    ]);
    const users = pods.filter((pod) => claimNames(pod).includes(name));
    return explainClaim({ claim, events, pods: users, classes, volumes });
  }

  async #events(kind: string, name: string): Promise<readonly Event[]> {
    const of = `involvedObject.kind=${kind},involvedObject.name=${name}`;
    const path = `${this.#core()}/events`;
    return (
      (await this.#all<Event>(path, "events", `fieldSelector=${encodeURIComponent(of)}`)) ?? []
    );
  }

  async #all<T>(path: string, what: string, query = ""): Promise<T[] | undefined> {
    const list = await this.#read(`${path}?limit=${LIMIT}${query && `&${query}`}`);
    if (list === "forbidden") this.unseen.add(what);
    return typeof list === "string" ? undefined : ((list as { items: T[] | null }).items ?? []);
  }

  #core(): string {
    return `/api/v1/namespaces/${encodeURIComponent(this.#namespace)}`;
  }
}

function selects({ spec }: Service, { metadata }: Pod): boolean {
  return Object.entries(spec.selector ?? {}).every(
    ([key, value]) => metadata.labels?.[key] === value,
  );
}
