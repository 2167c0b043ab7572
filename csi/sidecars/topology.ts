import { createHash } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import type {
  Node,
  PersistentVolumeClaim,
  TopologySelectorTerm,
} from "@raft2kube/api/gen/core/v1.ts";
import type { CSINode, StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import { translateClass } from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { CSI_NODES, NODES } from "@raft2kube/client-kube/rest/resources.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import type { TopologyRequirement } from "@raft2kube/proto/gen/csi.ts";
import { own } from "@raft2kube/std/own.ts";
import type { DriverIdentity } from "./driver-identity.ts";
import { TOPOLOGIES_MAX } from "./limits.ts";
import { NODE_GONE, ProvisioningError } from "./provisioning-error.ts";

type Segments = Record<string, string>;

/** Context of the choice of a topology. */
export interface TopologyContext {
  client: KubeClient;
  driver: DriverIdentity;
  /** The node of this provisioner, where each node has one of its own. */
  nodeName: string | undefined;
}

/** Whether a class allows volumes with these segments: one of its terms does, or it has none. */
export function isAllowed(storageClass: StorageClass, segments: Segments): boolean {
  const { allowedTopologies: terms = [] } = translateClass(storageClass);
  return (
    terms.length === 0 ||
    terms.some(({ matchLabelExpressions = [] }) =>
      matchLabelExpressions.every(({ key, values }) => values.includes(own(segments, key) ?? "")),
    )
  );
}

/** Throws ProvisioningError if a class allows no node with the driver. */
export async function assertAllowsSomeNode(
  context: TopologyContext,
  storageClass: StorageClass,
): Promise<void> {
  assertSomeAllowed(storageClass, await topologiesOf(context), context.driver.name);
}

/**
 * Returns the topologies from which a claim's volume must be reachable: that of its selected node,
 * else those that its class allows, else those of all nodes with the driver. Undefined for a driver
 * without topology. Throws ProvisioningError if the class allows none, and NODE_GONE if the
 * selected node does not exist.
 */
export async function topologyFor(
  context: TopologyContext,
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  selectedNode: string | undefined,
): Promise<Init<TopologyRequirement> | undefined> {
  const { driver } = context;
  if (!driver.hasTopology) return undefined;
  if (selectedNode !== undefined) {
    const segments = await segmentsOf(context, selectedNode);
    if (!isAllowed(storageClass, segments)) {
      throw new ProvisioningError(
        "NotAllowed",
        `topology ${JSON.stringify(segments)} of the ` +
          `selected node ${selectedNode} is not in allowed topologies: ${shown(storageClass)}`,
      );
    }
    return { requisite: [{ segments }], preferred: [{ segments }] };
  }
  return requirementOf(claim, storageClass, await topologiesOf(context), driver.name);
}

/**
 * Returns the topologies for a claim without a selected node, of which `there` are those of nodes
 * with the driver. Throws ProvisioningError if the class allows none of them. Pure.
 */
export function requirementOf(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  there: readonly Segments[],
  driverName: string,
): Init<TopologyRequirement> | undefined {
  assertSomeAllowed(storageClass, there, driverName);
  const terms = translateClass(storageClass).allowedTopologies ?? [];
  const wanted = distinct(terms.length > 0 ? terms.flatMap(combinations) : there);
  if (wanted.length === 0) return undefined;
  const first = startOf(claim.metadata.name ?? "") % wanted.length;
  const requisite = wanted.map((segments) => ({ segments }));
  return { requisite, preferred: [...requisite.slice(first), ...requisite.slice(0, first)] };
}

function assertSomeAllowed(
  storageClass: StorageClass,
  topologies: readonly Segments[],
  driverName: string,
): void {
  const { allowedTopologies: terms = [] } = translateClass(storageClass);
  if (terms.length === 0 || topologies.some((each) => isAllowed(storageClass, each))) return;
  const why = `no node with driver ${driverName} is in allowed topologies: ${shown(storageClass)}`;
  throw new ProvisioningError("NotAllowed", why);
}

function shown(storageClass: StorageClass): string {
  const { allowedTopologies: terms = [] } = translateClass(storageClass);
  return JSON.stringify(terms.map(({ matchLabelExpressions }) => matchLabelExpressions));
}

/** Returns the combinations of the values that a term allows. Throws if they are too many. */
function combinations({ matchLabelExpressions = [] }: TopologySelectorTerm): Segments[] {
  let list: Segments[] = [{}];
  for (const { key, values } of matchLabelExpressions) {
    if (list.length * values.length > TOPOLOGIES_MAX) {
      const message = `more than ${TOPOLOGIES_MAX} combinations of allowed topologies`;
      throw new ProvisioningError("TooMany", message, { remedy: "list fewer values of each key" });
    }
    list = list.flatMap((each) => values.map((value) => ({ ...each, [key]: value })));
  }
  return list;
}

const distinct = (list: readonly Segments[]): Segments[] =>
  list.filter((each, index) => list.findIndex((other) => isDeepStrictEqual(other, each)) === index);

/** Spreads claims, and those of one StatefulSet one after the other (upstream's rule). */
function startOf(claimName: string): number {
  const [, base = claimName, index = "0"] = /^(.+)-(\d{1,9})$/.exec(claimName) ?? [];
  return createHash("sha256").update(base).digest().readUInt32BE(0) + Number(index);
}

async function topologiesOf({ client, driver }: TopologyContext): Promise<Segments[]> {
  const { items: csiNodes } = await client.resource(CSI_NODES).listAll();
  const { items: nodes } = await client.resource(NODES).listAll();
  return driverTopologies(csiNodes, nodes, driver.name);
}

/** Returns the topologies of the nodes with the driver that have its labels. Pure. */
export function driverTopologies(
  csiNodes: readonly CSINode[],
  nodes: readonly Node[],
  driverName: string,
): Segments[] {
  const byName = new Map(nodes.map((node) => [node.metadata.name, node]));
  return distinct(
    csiNodes.flatMap((csiNode) => {
      const keys = keysOf(csiNode, driverName);
      const node = byName.get(csiNode.metadata.name);
      const { segments, missing } = labelled(node, keys ?? []);
      return !keys?.length || missing.length > 0 ? [] : [segments];
    }),
  );
}

/** Returns the topology of the selected node, in the driver's keys. */
async function segmentsOf(
  { client, driver, nodeName }: TopologyContext,
  selectedNode: string,
): Promise<Segments> {
  if (selectedNode === nodeName) return driver.topology;
  const csiNodes = client.resource(CSI_NODES);
  const csiNode = await undefinedIfNotFound(csiNodes.get({ name: selectedNode }));
  const node = await undefinedIfNotFound(client.resource(NODES).get({ name: selectedNode }));
  if (!csiNode || !node) {
    const what = csiNode ? "node" : "CSINode";
    throw new ProvisioningError(NODE_GONE, `the selected ${what} ${selectedNode} does not exist`);
  }
  const keys = keysOf(csiNode, driver.name);
  if (!keys) {
    const message = `driver ${driver.name} is not registered on node ${selectedNode}`;
    throw new ProvisioningError("NoDriverOnNode", message);
  }
  const {
    segments,
    missing: [key],
  } = labelled(node, keys);
  if (key === undefined) return segments;
  throw new ProvisioningError("NoTopology", `node ${selectedNode} has no label ${key}`);
}

function keysOf({ spec }: CSINode, driverName: string): string[] | undefined {
  const entry = spec.drivers.find((each) => each.name === driverName);
  return entry && (entry.topologyKeys ?? []);
}

function labelled(node: Node | undefined, keys: readonly string[]) {
  const labels = node?.metadata.labels ?? {};
  const missing = keys.filter((key) => own(labels, key) === undefined);
  const segments = Object.fromEntries(keys.map((key) => [key, own(labels, key) ?? ""]));
  return { segments, missing };
}
