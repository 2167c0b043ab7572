import { isMirrorPod } from "@raft2kube/api/core/v1/pod/mirror.ts";
import type { Node, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import {
  CONFIG_MAPS,
  DEPLOYMENTS,
  ENDPOINT_SLICES,
  NAMESPACES,
  PODS,
  REPLICA_SETS,
  SECRETS,
  SERVICES,
} from "@raft2kube/client-kube/rest/resources.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { delay } from "@raft2kube/std/wait.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { connectStore } from "./etcd-servers.ts";

/** An event takes milliseconds to each place; one that takes longer than this is lost. */
const SETTLE_MS = 2_000;
const SETTLE_POLL_MS = 200;
const STORE_PAGE_KEYS = 5_000;
/** How long a kubelet may take to answer: one that hangs must not hold up the view of the others. */
const KUBELET_TIMEOUT_MS = 5_000;
/** The kinds whose loss breaks a cluster, and where the store has them. */
const COMPARED: readonly (readonly [ResourceType, string])[] = [
  [PODS, "pods"],
  [REPLICA_SETS, "replicasets"],
  [DEPLOYMENTS, "deployments"],
  [SERVICES, "services/specs"],
  [ENDPOINT_SLICES, "endpointslices"],
  [NAMESPACES, "namespaces"],
  [CONFIG_MAPS, "configmaps"],
  [SECRETS, "secrets"],
];

/** Objects by `pods default/web`, each with the revision of its last write. */
export type Revisions = ReadonlyMap<string, number>;

/** The states of three places at about the same time. */
export interface Views {
  /** The store, and its revision when it was asked. */
  readonly store: { readonly revision: number; readonly objects: Revisions };
  /** The apiserver's watch caches, asked after the store. */
  readonly cache: Revisions;
  /** Pods that are bound to a node, and what its kubelet has of each. */
  readonly bound: readonly BoundPod[];
}

export interface BoundPod {
  readonly name: string;
  readonly node: string;
  readonly deleted: boolean;
  readonly generation: number | undefined;
  /** The kubelet's view; undefined if it does not know the pod. */
  readonly kubelet:
    | { readonly deleted: boolean; readonly generation: number | undefined }
    | undefined;
}

/** How many objects were compared, and what a place does not know. */
export type Comparison = { readonly objects: number; readonly differences: readonly string[] };

/**
 * Compares what the store, the apiserver's caches and the kubelets know. A difference counts when
 * it lasts for SETTLE_MS: a watch on the way there has lost an event. Rejects when the store or the
 * API does not answer.
 */
export async function compareViews(
  config: ClusterConfig,
  client: KubeClient,
  readyNodes: readonly string[],
  clock: Clock,
): Promise<Comparison> {
  const etcd = connectStore(config);
  try {
    return await settled(clock, async () => {
      const store = await storeView(etcd);
      const cache = await cacheView(client);
      const bound = await boundPods(client, readyNodes);
      const unanswered = bound.flatMap((each) => (typeof each === "string" ? [each] : []));
      const pods = bound.flatMap((each) => (typeof each === "string" ? [] : [each]));
      const found = differencesOf({ store, cache, bound: pods });
      return { objects: store.objects.size, differences: [...unanswered, ...found] };
    });
  } finally {
    await etcd.close();
  }
}

/** Looks until two places agree, at most for SETTLE_MS; what was seen each time is the result. */
async function settled(clock: Clock, look: () => Promise<Comparison>): Promise<Comparison> {
  const end_ms = clock.monotonic() + SETTLE_MS;
  let { objects, differences } = await look();
  while (differences.length > 0 && clock.monotonic() < end_ms) {
    await delay(clock, SETTLE_POLL_MS);
    const again = await look();
    objects = again.objects;
    differences = differences.filter((each) => again.differences.includes(each));
  }
  return { objects, differences };
}

/** Returns the differences between the three states, a sentence each. */
export function differencesOf({ store, cache, bound }: Views): string[] {
  const found: string[] = [];
  for (const [name, revision] of store.objects) {
    const cached = cache.get(name);
    if (cached === undefined) {
      found.push(`${name}: in the store since revision ${revision}, not in the apiserver's cache`);
    } else if (cached < revision) {
      const inCache = `at ${cached} in the apiserver's cache`;
      found.push(`${name}: at revision ${revision} in the store, ${inCache}`);
    }
  }
  for (const [name, revision] of cache) {
    if (store.objects.has(name) || revision > store.revision) continue;
    found.push(`${name}: deleted in the store, still in the apiserver's cache`);
  }
  for (const { name, node, deleted, generation, kubelet } of bound) {
    if (!kubelet) found.push(`${name}: bound to ${node}, whose kubelet does not know it`);
    else if (deleted && !kubelet.deleted) {
      found.push(`${name}: being deleted, which the kubelet of ${node} does not know`);
    } else if ((kubelet.generation ?? generation ?? 0) < (generation ?? 0)) {
      const has = `the kubelet of ${node} has ${kubelet.generation}`;
      found.push(`${name}: at generation ${generation}, ${has}`);
    }
  }
  return found;
}

async function storeView(etcd: EtcdClient): Promise<Views["store"]> {
  const objects = new Map<string, number>();
  let revision = 0;
  for (const [{ plural }, folder] of COMPARED) {
    const prefix = `/registry/${folder}/`;
    const rangeEnd = Buffer.from(`/registry/${folder}0`);
    let key = Buffer.from(prefix);
    for (let more = true; more; ) {
      const page = await etcd.range({ key, rangeEnd, keysOnly: true, limit: STORE_PAGE_KEYS });
      for (const kv of page.kvs) {
        objects.set(`${plural} ${kv.key.toString().slice(prefix.length)}`, kv.modRevision);
      }
      // The lowest: what came later is not known to be missing.
      revision = revision === 0 ? page.header!.revision : Math.min(revision, page.header!.revision);
      more = page.more && page.kvs.length > 0;
      if (more) key = Buffer.concat([page.kvs.at(-1)!.key, Buffer.of(0)]);
    }
  }
  return { revision, objects };
}

/** Lists at resourceVersion 0: the cache's state, without a read of the store. */
async function cacheView(client: KubeClient): Promise<Revisions> {
  const objects = new Map<string, number>();
  for (const [type] of COMPARED) {
    const list = await client.resource(type).list({ resourceVersion: "0", metadataOnly: true });
    for (const { metadata } of list.items) {
      const { namespace, name = "", resourceVersion = "0" } = metadata;
      const path = namespace === undefined ? name : `${namespace}/${name}`;
      objects.set(`${type.plural} ${path}`, Number(resourceVersion));
    }
  }
  return objects;
}

/** The pods that are bound to these nodes; a string for a kubelet that does not answer in time. */
export async function boundPods(
  client: Pick<KubeClient, "request" | "resource">,
  nodes: readonly string[],
): Promise<(BoundPod | string)[]> {
  const { items } = await client.resource(PODS).listAll();
  const all = await Promise.all(
    nodes.map(async (node) => {
      const path = `/api/v1/nodes/${node}/proxy/pods`;
      let known: Map<string | undefined, Pod>;
      try {
        const request = { method: "GET", path, timeout_ms: KUBELET_TIMEOUT_MS };
        const list = await client.request<{ items: Pod[] }>(request);
        known = new Map(list.items.map((pod) => [pod.metadata?.uid, pod]));
      } catch (thrown) {
        return [`the kubelet of ${node} does not answer: ${messageOf(thrown)}`];
      }
      const here = items.filter((pod) => pod.spec?.nodeName === node && isCompared(pod));
      return here.map((pod) => boundPod(pod, node, known.get(pod.metadata?.uid)));
    }),
  );
  return all.flat();
}

/** A mirror pod has another uid than the static pod; one that has ended may be forgotten. */
function isCompared(pod: Pod): boolean {
  const phase = pod.status?.phase;
  return !isMirrorPod(pod) && phase !== "Succeeded" && phase !== "Failed";
}

function boundPod(pod: Pod, node: string, known: Pod | undefined): BoundPod {
  const { namespace, name, generation, deletionTimestamp } = pod.metadata ?? {};
  return {
    name: `pods ${namespace}/${name}`,
    node,
    deleted: deletionTimestamp !== undefined,
    generation,
    kubelet: known && {
      deleted: known.metadata?.deletionTimestamp !== undefined,
      generation: known.metadata?.generation,
    },
  };
}

/** The names of the nodes that are Ready. */
export function readyNodes(nodes: readonly Node[]): string[] {
  return nodes.flatMap(({ metadata, status }) => {
    const ready = status?.conditions?.find((item) => item.type === "Ready");
    return ready?.status === "True" && metadata?.name !== undefined ? [metadata.name] : [];
  });
}
