import { isNotFound, KubeError } from "@raft2kube/client-kube/errors.ts";
import { nameOf } from "@raft2kube/client-kube/object/object.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { canDo, type DiscoveredResource, discover } from "@raft2kube/client-kube/rest/discovery.ts";
import { groupResourceOf } from "@raft2kube/client-kube/rest/resource.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { isEmpty, type RemainingContent } from "./plan.ts";

/** Deletes the content of a namespace; returns the remaining content. */
export async function deleteContent(
  client: KubeClient,
  namespace: string,
): Promise<RemainingContent> {
  const content: RemainingContent = { remaining: new Map(), finalizers: new Map(), failures: [] };
  let resources: DiscoveredResource[];
  try {
    resources = await discover(client);
  } catch (thrown) {
    return { ...content, discoveryFailure: messageOf(thrown) };
  }
  const holding = resources.filter((item) => item.namespaced && canDo(item, "delete", "list"));
  const isPods = (item: DiscoveredResource) => groupResourceOf(item) === "pods";
  // Pods first, as upstream since 1.34: they are not to outlive what guards them, a NetworkPolicy.
  await deleteEach(client, holding.filter(isPods), namespace, content);
  if (!isEmpty(content)) return content;
  await deleteEach(
    client,
    holding.filter((item) => !isPods(item)),
    namespace,
    content,
  );
  return content;
}

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
  let items = (await resource.listAll({ namespace, metadataOnly: true })).items;
  if (items.length === 0) return;
  const fresh = items.filter((item) => !item.metadata.deletionTimestamp);
  if (fresh.length > 0) {
    const options = { propagationPolicy: "Background" as const };
    if (canDo(type, "deletecollection")) await resource.deleteCollection({ namespace }, options);
    else {
      for (const item of fresh) {
        try {
          await resource.delete({ ...nameOf(item), namespace }, options);
        } catch (thrown) {
          if (!(thrown instanceof KubeError) || !isNotFound(thrown)) throw thrown;
        }
      }
    }
    items = (await resource.listAll({ namespace, metadataOnly: true })).items;
  }
  if (items.length > 0) content.remaining.set(`${groupResourceOf(type)}.`, items.length);
  for (const finalizer of items.flatMap((item) => item.metadata.finalizers ?? [])) {
    content.finalizers.set(finalizer, (content.finalizers.get(finalizer) ?? 0) + 1);
  }
}
