import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import type { CSINodeSpec } from "@raft2kube/api/gen/storage/v1.ts";
import { isAlreadyExists, isConflict, undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import {
  MIGRATED_PLUGINS,
  migratedPlugins,
} from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { CSI_NODES, NODES } from "@raft2kube/client-kube/rest/resources.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import type { CsiDriver, CsiDriverListener } from "./csi-drivers.ts";
import { missingTopologyLabels, withDriver, withoutDriver } from "./csi-node.ts";
import { NODE_POLL_MS, NODE_WAIT_MS, PUBLISH_ATTEMPTS_MAX } from "./limits.ts";

/**
 * Publishes the node's CSI drivers: the CSINode object, owned by the Node, and the Node's topology
 * labels. `added` waits up to NODE_WAIT_MS for the Node, which a starting kubelet is about to
 * register, and rejects when it does not appear.
 */
export const csiNodePublisher = (client: KubeClient, nodeName: string): CsiDriverListener => ({
  async added(driver) {
    const node = await registeredNode(client, nodeName);
    await labelNode(client, node, driver);
    await changeDrivers(client, node, (spec) => withDriver(spec, driver));
  },
  async removed(name) {
    const node = await client.resource(NODES).get({ name: nodeName });
    await changeDrivers(client, node, (spec) => withoutDriver(spec, name));
  },
});

function registeredNode(client: KubeClient, name: string): Promise<Node> {
  const nodes = client.resource(NODES);
  const read = () => undefinedIfNotFound(nodes.get({ name }));
  return waitFor(`node ${name} to be registered`, read, {
    clock: client.clock,
    timeout_ms: NODE_WAIT_MS,
    interval_ms: NODE_POLL_MS,
  });
}

async function labelNode(client: KubeClient, node: Node, driver: CsiDriver): Promise<void> {
  const labels = missingTopologyLabels(node.metadata.labels ?? {}, driver);
  if (Object.keys(labels).length === 0) return;
  const name = { name: node.metadata.name ?? "" };
  await client.resource(NODES).patch(name, "strategic", { metadata: { labels } });
}

async function changeDrivers(
  client: KubeClient,
  node: Node,
  change: (spec: CSINodeSpec) => CSINodeSpec,
): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await changeOnce(client, node, change);
    } catch (thrown) {
      const raced = isConflict(thrown) || isAlreadyExists(thrown);
      if (!raced || attempt >= PUBLISH_ATTEMPTS_MAX) throw thrown;
    }
  }
}

async function changeOnce(
  client: KubeClient,
  node: Node,
  change: (spec: CSINodeSpec) => CSINodeSpec,
): Promise<void> {
  const csiNodes = client.resource(CSI_NODES);
  const name = node.metadata.name ?? "";
  const migrated = { [MIGRATED_PLUGINS]: migratedPlugins() };
  const existing = await undefinedIfNotFound(csiNodes.get({ name }));
  if (existing) {
    const spec = change(existing.spec);
    const { metadata } = existing;
    const same = metadata.annotations?.[MIGRATED_PLUGINS] === migrated[MIGRATED_PLUGINS];
    if (spec === existing.spec && same) return;
    const annotations = { ...metadata.annotations, ...migrated };
    await csiNodes.update({ ...existing, metadata: { ...metadata, annotations }, spec });
    return;
  }
  const owner = { apiVersion: "v1", kind: "Node", name, uid: node.metadata.uid ?? "" };
  const spec = change({ drivers: [] });
  const metadata = { name, annotations: migrated, ownerReferences: [owner] };
  await csiNodes.create({ metadata, spec });
}
