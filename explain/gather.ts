import type * as core from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import type { StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import { isPodActive } from "@raft2kube/client-kube/object/pod-state.ts";
import type { KubeRequester } from "@raft2kube/client-kube/rest/request.ts";
import * as of from "@raft2kube/client-kube/rest/resources.ts";
import { own } from "@raft2kube/std/own.ts";
import { explainClaim } from "./claim.ts";
import type { Explanation } from "./explanation.ts";
import { type Facts, factsOf } from "./facts.ts";
import { explainPod } from "./pod.ts";
import { claimNames } from "./scheduling.ts";
import { explainService, selects } from "./service.ts";

/** Reads an object, and what explains it; undefined: it is not there. */
type Explain = (facts: Facts, name: string, now_ms: number) => Promise<Explanation | undefined>;

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
  const facts = factsOf(kube, namespace);
  const found = await own(EXPLAINED, kind)?.(facts, name, now_ms);
  return !found || facts.unseen.size === 0 ? found : { ...found, unseen: [...facts.unseen] };
}

async function pod(facts: Facts, name: string, now_ms: number) {
  const found = await facts.one<core.Pod>(of.PODS, name);
  return found && (await podFrom(facts, found, now_ms));
}

async function podFrom(facts: Facts, pod: core.Pod, now_ms: number): Promise<Explanation> {
  const { name } = pod.metadata;
  const names = pod.status?.phase === "Running" ? [] : claimNames(pod);
  const [events, nodes, claims] = await Promise.all([
    eventsOf(facts, "Pod", name),
    facts.all<core.Node>(of.NODES),
    Promise.all(names.map((each) => claim(facts, each))),
  ]);
  const known = claims.filter((each) => each !== undefined);
  return explainPod({ what: `Pod ${name}`, pod, events, nodes, claims: known, now_ms });
}

async function service(facts: Facts, name: string, now_ms: number) {
  const found = await facts.one<core.Service>(of.SERVICES, name);
  if (!found) return undefined;
  const labelSelector = `kubernetes.io/service-name=${name}`;
  const [pods = [], slices = []] = await Promise.all([
    facts.all<core.Pod>(of.PODS),
    facts.all<EndpointSlice>(of.ENDPOINT_SLICES, { labelSelector }),
  ]);
  const first = pods.find((each) => selects(found, each) && isPodActive(each));
  const why = first && (await podFrom(facts, first, now_ms));
  return explainService({ what: `Service ${name}`, service: found, pods, slices, why });
}

async function claim(facts: Facts, name: string) {
  const found = await facts.one<core.PersistentVolumeClaim>(of.PERSISTENT_VOLUME_CLAIMS, name);
  if (!found) return undefined;
  const [events, all = [], classes, volumes] = await Promise.all([
    eventsOf(facts, "PersistentVolumeClaim", name),
    facts.all<core.Pod>(of.PODS),
    facts.all<StorageClass>(of.STORAGE_CLASSES),
    facts.all<core.PersistentVolume>(of.PERSISTENT_VOLUMES),
  ]);
  const pods = all.filter((each) => claimNames(each).includes(name));
  return explainClaim({ what: `Claim ${name}`, claim: found, events, pods, classes, volumes });
}

async function eventsOf(facts: Facts, kind: string, name = ""): Promise<readonly core.Event[]> {
  const fieldSelector = `involvedObject.kind=${kind},involvedObject.name=${name}`;
  return (await facts.all<core.Event>(of.EVENTS, { fieldSelector })) ?? [];
}
