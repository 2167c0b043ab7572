import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import { type KubeObject, nameOf } from "@raft2kube/client-kube/object/object.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import {
  canDo,
  type Discovered,
  type DiscoveredResource,
  discoverAll,
} from "@raft2kube/client-kube/rest/discovery.ts";
import { groupResourceOf } from "@raft2kube/client-kube/rest/resource.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { messageOf, tolerate } from "@raft2kube/std/errors.ts";
import { listed } from "@raft2kube/std/listed.ts";
import { FINALIZERS_COUNTED_MAX } from "../limits.ts";
import { isEmpty, type RemainingContent } from "./plan.ts";

/**
 * Deletes the content of a namespace; returns the remaining content. Of resources that are `known`
 * to have objects left the others wait: a namespace that stays for a finalizer takes a request a
 * look, in place of one for each resource there is.
 */
export async function deleteContent(
  client: KubeClient,
  namespace: string,
  known: readonly DiscoveredResource[] = [],
): Promise<RemainingContent> {
  const content = nothing();
  await deleteEach(client, known, namespace, content);
  if (!isEmpty(content)) return content;
  let discovered: Discovered;
  try {
    discovered = await discoverAll(client);
  } catch (thrown) {
    return { ...content, discoveryFailure: messageOf(thrown) };
  }
  const { resources, stale } = discovered;
  const holding = resources.filter((item) => item.namespaced && canDo(item, "delete", "list"));
  const isPods = (item: DiscoveredResource) => groupResourceOf(item) === "pods";
  const others = holding.filter((item) => !isPods(item));
  // Pods first, as upstream since 1.34: they are not to outlive what guards them, a NetworkPolicy.
  await deleteEach(client, holding.filter(isPods), namespace, content);
  if (isEmpty(content)) await deleteEach(client, others, namespace, content);
  if (stale.length === 0) return content;
  return { ...content, discoveryFailure: `stale GroupVersion discovery: ${listed(stale)}` };
}

const nothing = (): RemainingContent => ({
  remaining: new Map(),
  kinds: [],
  finalizers: new Map(),
  failures: [],
});

async function deleteEach(
  client: KubeClient,
  resources: readonly DiscoveredResource[],
  namespace: string,
  content: RemainingContent,
): Promise<void> {
  for (const resource of resources) {
    try {
      await deleteAll(client, resource, namespace, content);
    } catch (thrown) {
      if (isNotFound(thrown)) continue;
      content.failures.push(`${groupResourceOf(resource)}: ${messageOf(thrown)}`);
    }
  }
}

async function deleteAll(
  client: KubeClient,
  type: DiscoveredResource,
  namespace: string,
  content: RemainingContent,
): Promise<void> {
  const resource = client.resource(type);
  const options = { propagationPolicy: "Background" as const };
  const before = await count(resource, namespace);
  if (before.count === 0) return;
  if (before.isFresh && canDo(type, "deletecollection")) {
    await resource.deleteCollection({ namespace }, options);
  } else if (before.isFresh) {
    for await (const { items } of resource.pages({ namespace, metadataOnly: true })) {
      for (const item of items.filter(isFresh)) {
        const name = { ...nameOf(item), namespace };
        await tolerate(resource.delete(name, options), isNotFound);
      }
    }
  }
  const left = before.isFresh ? await count(resource, namespace) : before;
  if (left.count > 0) {
    content.remaining.set(`${groupResourceOf(type)}.`, left.count);
    content.kinds.push(type);
  }
  for (const [name, objects] of left.finalizers) countFinalizer(content.finalizers, name, objects);
}

function countFinalizer(counts: Map<string, number>, name: string, objects: number): void {
  const counted = counts.get(name) ?? 0;
  if (counted > 0 || counts.size < FINALIZERS_COUNTED_MAX) counts.set(name, counted + objects);
}

/** Counts a namespace's objects, page by page: it may have more than memory takes. */
async function count(resource: ResourceClient<KubeObject>, namespace: string) {
  const found = { count: 0, isFresh: false, finalizers: new Map<string, number>() };
  for await (const { items } of resource.pages({ namespace, metadataOnly: true })) {
    found.count += items.length;
    found.isFresh ||= items.some(isFresh);
    for (const name of items.flatMap(({ metadata }) => metadata.finalizers ?? [])) {
      countFinalizer(found.finalizers, name, 1);
    }
  }
  return found;
}

const isFresh = ({ metadata }: KubeObject): boolean => !metadata.deletionTimestamp;
