import type * as core from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import type { StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import { matchesMap } from "@raft2kube/api/selector.ts";
import { isForbidden, isNotFound } from "@raft2kube/client-kube/errors.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import { isPodActive } from "@raft2kube/client-kube/object/pod-state.ts";
import type { ListOptions } from "@raft2kube/client-kube/rest/query.ts";
import type { KubeRequester } from "@raft2kube/client-kube/rest/request.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import * as of from "@raft2kube/client-kube/rest/resources.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import { claimNames } from "./scheduling.ts";

type Claim = core.PersistentVolumeClaim;

/** Pages of a list; what lies beyond is not looked at. Pages of large objects are small. */
const PAGES_MAX = 10;
/** Claims of a pod that are looked at; it may name thousands. */
const CLAIMS_MAX = 32;

export type Facts = ReturnType<typeof factsOf>;

/** Returns what reads objects of a namespace, and notes what the user may not read. */
export function factsOf(kube: KubeRequester, namespace: string) {
  const unseen = new Set<string>();
  const lists = new Map<string, Promise<unknown>>();
  const seen = <T>(what: string, read: Promise<T>) =>
    tolerate(read, (thrown) => {
      if (isForbidden(thrown)) unseen.add(what);
      return isForbidden(thrown) || isNotFound(thrown);
    });
  return {
    unseen,
    /** Reads an object; undefined if it is not there, or may not be read. */
    one<T extends KubeObject>(type: ResourceType<T>, name: string): Promise<T | undefined> {
      const client = new ResourceClient<T>(kube, type);
      return seen(`${type.plural}/${name}`, client.get({ namespace, name }));
    },
    /** Lists objects, once; undefined if the server has no such kind, or they may not be listed. */
    all<T extends KubeObject>(type: ResourceType<T>, options: ListOptions = {}) {
      const pages = new ResourceClient<T>(kube, type).pages({ namespace, ...options });
      const key = JSON.stringify([type.plural, options]);
      const list = lists.get(key) ?? seen(type.plural, firstOf(pages));
      lists.set(key, list);
      return list as Promise<T[] | undefined>;
    },
  };
}

async function firstOf<T>(pages: AsyncIterable<{ items: T[] }>): Promise<T[]> {
  const found: T[] = [];
  let count = 0;
  for await (const { items } of pages) {
    for (const each of items) found.push(each);
    if (++count >= PAGES_MAX) break;
  }
  return found;
}

/** Facts that explain a pod; what is undefined could not be read. */
export type PodFacts = Awaited<ReturnType<typeof podFacts>>;
export async function podFacts(facts: Facts, pod: core.Pod, now_ms: number) {
  const { name } = pod.metadata;
  const names = pod.status?.phase === "Running" ? [] : claimNames(pod).slice(0, CLAIMS_MAX);
  const [events, nodes, claims] = await Promise.all([
    eventsOf(facts, "Pod", name),
    facts.all<core.Node>(of.NODES),
    Promise.all(names.map((each) => facts.one<Claim>(of.PERSISTENT_VOLUME_CLAIMS, each))),
  ]);
  const found = claims.filter((each) => each !== undefined);
  const unbound = await Promise.all(found.map((each) => claimFacts(facts, each)));
  return { what: `Pod ${name}`, pod, events, nodes, claims: unbound, now_ms };
}

/** Facts that explain a Service: all pods of its namespace, and the facts of its first one. */
export type ServiceFacts = Awaited<ReturnType<typeof serviceFacts>>;
export async function serviceFacts(facts: Facts, service: core.Service, now_ms: number) {
  const { name } = service.metadata;
  const labelSelector = `kubernetes.io/service-name=${name}`;
  const [pods = [], slices = []] = await Promise.all([
    facts.all<core.Pod>(of.PODS),
    facts.all<EndpointSlice>(of.ENDPOINT_SLICES, { labelSelector }),
  ]);
  const first = pods.find((each) => selects(service, each) && isPodActive(each));
  const own = first && (await podFacts(facts, first, now_ms));
  return { what: `Service ${name}`, service, pods, slices, first: own };
}

/** Facts that explain a claim, and the pods that use it; what is undefined could not be read. */
export type ClaimFacts = Awaited<ReturnType<typeof claimFacts>>;
export async function claimFacts(facts: Facts, claim: Claim) {
  const { name = "" } = claim.metadata;
  const [events, all = [], classes, volumes] = await Promise.all([
    eventsOf(facts, "PersistentVolumeClaim", name),
    facts.all<core.Pod>(of.PODS),
    facts.all<StorageClass>(of.STORAGE_CLASSES),
    facts.all<core.PersistentVolume>(of.PERSISTENT_VOLUMES),
  ]);
  const pods = all.filter((each) => claimNames(each).includes(name));
  return { what: `Claim ${name}`, claim, events, pods, classes, volumes };
}

async function eventsOf(facts: Facts, kind: string, name = "") {
  const fieldSelector = `involvedObject.kind=${kind},involvedObject.name=${name}`;
  return (await facts.all<core.Event>(of.EVENTS, { fieldSelector })) ?? [];
}

/** Whether a Service's selector, which has labels, is satisfied by the pod's. */
export const selects = ({ spec: { selector = {} } }: core.Service, { metadata }: core.Pod) =>
  Object.keys(selector).length > 0 && matchesMap(selector, metadata.labels);
