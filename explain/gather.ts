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
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import { isPodActive } from "@raft2kube/client-kube/object/pod-state.ts";
import type { KubeRequester } from "@raft2kube/client-kube/rest/request.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
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
import { own } from "@raft2kube/std/own.ts";
import { explainClaim } from "./claim.ts";
import type { Explanation } from "./explanation.ts";
import { Facts } from "./facts.ts";
import { explainPod } from "./pod.ts";
import { claimNames } from "./scheduling.ts";
import { explainService, selects } from "./service.ts";

/** Reads an object of a kind and explains it. */
type Explain = (facts: Facts, name: string, now_ms: number) => Promise<Explanation | undefined>;

const explained =
  <T extends KubeObject>(
    type: ResourceType,
    explain: (facts: Facts, object: T, now_ms: number) => Promise<Explanation>,
  ): Explain =>
  async (facts, name, now_ms) => {
    const object = await facts.one<T>(type, name);
    return object && (await explain(facts, object, now_ms));
  };

const [pod, service, claim] = [
  explained(PODS, podFrom),
  explained(SERVICES, serviceFrom),
  explained(PERSISTENT_VOLUME_CLAIMS, claimFrom),
];

/** The kinds that can be explained, by their names in the API and in short. */
export const EXPLAINED: Readonly<Record<string, Explain>> = {
  ...{ pods: pod, pod, po: pod },
  ...{ services: service, service, svc: service },
  ...{ persistentvolumeclaims: claim, persistentvolumeclaim: claim, pvc: claim },
};

/** Reads what an explanation needs and makes it; undefined: there is no such object, or kind. */
export async function explain(
  kube: KubeRequester,
  kind: string,
  namespace: string,
  name: string,
  now_ms: number,
): Promise<Explanation | undefined> {
  const facts = new Facts(kube, namespace);
  const found = await own(EXPLAINED, kind)?.(facts, name, now_ms);
  return !found || facts.unseen.size === 0 ? found : { ...found, unseen: [...facts.unseen] };
}

async function podFrom(facts: Facts, pod: Pod, now_ms: number): Promise<Explanation> {
  const isStarted = pod.status?.phase === "Running";
  const names = isStarted ? [] : claimNames(pod);
  const [events, nodes, claims] = await Promise.all([
    eventsOf(facts, "Pod", pod),
    facts.all<Node>(NODES),
    Promise.all(names.map((name) => claim(facts, name, now_ms))),
  ]);
  const known = claims.filter((each) => each !== undefined);
  return explainPod({ pod, events, nodes, claims: known, now_ms });
}

async function serviceFrom(facts: Facts, service: Service, now_ms: number): Promise<Explanation> {
  const labelSelector = `kubernetes.io/service-name=${service.metadata.name}`;
  const [pods = [], slices = []] = await Promise.all([
    facts.all<Pod>(PODS),
    facts.all<EndpointSlice>(ENDPOINT_SLICES, { labelSelector }),
  ]);
  const first = pods.find((pod) => selects(service, pod) && isPodActive(pod));
  const why = first && (await podFrom(facts, first, now_ms));
  return explainService({ service, pods, slices, why });
}

async function claimFrom(facts: Facts, claim: PersistentVolumeClaim): Promise<Explanation> {
  const [events, pods = [], classes, volumes] = await Promise.all([
    eventsOf(facts, "PersistentVolumeClaim", claim),
    facts.all<Pod>(PODS),
    facts.all<StorageClass>(STORAGE_CLASSES),
    facts.all<PersistentVolume>(PERSISTENT_VOLUMES),
  ]);
  const users = pods.filter((pod) => claimNames(pod).includes(claim.metadata.name ?? ""));
  return explainClaim({ claim, events, pods: users, classes, volumes });
}

async function eventsOf(
  facts: Facts,
  kind: string,
  { metadata: { name } }: KubeObject,
): Promise<readonly Event[]> {
  const fieldSelector = `involvedObject.kind=${kind},involvedObject.name=${name}`;
  return (await facts.all<Event>(EVENTS, { fieldSelector })) ?? [];
}
