import { isDeepStrictEqual } from "node:util";
import type {
  Event,
  NodeSelectorTerm,
  ObjectReference,
  PersistentVolume,
  PersistentVolumeClaim,
} from "@raft2kube/api/gen/core/v1.ts";
import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  StorageClass,
} from "@raft2kube/api/gen/storage/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import {
  CLAIM_PROVISIONERS,
  driverOfProvisioner,
  provisionerIn,
} from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import { PROVISIONER_NODE, SELECTED_NODE } from "@raft2kube/client-kube/object/volumes.ts";
import { compareQuantity } from "@raft2kube/std/quantity.ts";
import { NODE_CAPACITIES_MAX, NODE_TOPOLOGY_CHARS_MAX } from "../../limits.ts";
import type { Resources } from "../../resource/resources.ts";
import type { AdmissionContext } from "../context.ts";
import { type AdmissionRequest, nodeRefusal } from "../plugin.ts";
import { checkChangedStatus } from "./claim-status.ts";
import type { NodeCheck } from "./node-check.ts";
import { namesNode } from "./node-labels.ts";

type Volume = PersistentVolume & KubeObject;
type Claim = PersistentVolumeClaim & KubeObject;
type Capacity = CSIStorageCapacity & KubeObject;

const STORAGE = "storage.k8s.io/v1";
const VOLUMES = ["v1", "persistentvolumes"] as const;
const CLAIMS = ["v1", "persistentvolumeclaims"] as const;

/** Finalizer of a volume until its storage is deleted (external-provisioner's). */
export const PROVISIONER_FINALIZER = "external-provisioner.volume.kubernetes.io/finalizer";

/**
 * The provisioner of a node makes and removes volumes of its node's drivers for claims of its node:
 * any other volume would give it secrets of a namespace, or other nodes' files to a pod.
 */
export const checkVolume: NodeCheck = async (request, node, { resources, graph }) => {
  const [object, old] = [request.object as Volume, request.old as Volume | undefined];
  if (!(await isOwnVolume(old ?? object, node, resources))) {
    const what = "CSI volumes that no other node can reach, or whose class names it by";
    throw nodeRefusal(request, node, `may only write ${what} the label ${PROVISIONER_NODE}`);
  }
  if (request.operation === "CREATE") return checkNewVolume(request, node, { resources, graph });
  if (request.operation === "DELETE" || old === undefined) return;
  if (isDeepStrictEqual(fixedOf(object), fixedOf(old))) return;
  const fields = `the capacity, the attributes class and the finalizer ${PROVISIONER_FINALIZER}`;
  throw nodeRefusal(request, node, `may only change ${fields} of a volume`);
};

/** The fields of a volume that its provisioner may not change. */
function fixedOf({ metadata, spec }: Volume): object {
  const { resourceVersion: _v, managedFields: _m, generation: _g, ...kept } = metadata;
  const { capacity, volumeAttributesClassName: _class, ...fixed } = spec;
  const { storage: _size, ...others } = capacity ?? {};
  const finalizers = (metadata.finalizers ?? []).filter((each) => each !== PROVISIONER_FINALIZER);
  return { ...kept, finalizers, spec: { ...fixed, capacity: others } };
}

async function checkNewVolume(
  request: AdmissionRequest,
  node: string,
  { resources, graph }: Pick<AdmissionContext, "resources" | "graph">,
): Promise<void> {
  const { metadata, spec } = request.object as Volume;
  const csi = spec.csi!;
  const secret = Object.keys(csi).find((field) => field.endsWith("SecretRef"));
  if (secret !== undefined) {
    throw nodeRefusal(request, node, `may not create volumes that name a Secret (${secret})`);
  }
  const csiNode = await find<CSINode & KubeObject>(resources, [STORAGE, "csinodes"], node);
  if (!csiNode?.spec.drivers.some(({ name }) => name === csi.driver)) {
    throw nodeRefusal(request, node, `has no driver ${csi.driver} in its CSINode`);
  }
  const { namespace, name, uid } = spec.claimRef ?? {};
  if (!uid || metadata.name !== `pvc-${uid}`) {
    const what = "may only create volumes named pvc-UID, for the claim of that UID";
    throw nodeRefusal(request, node, what);
  }
  const claim = await find<Claim>(resources, CLAIMS, name, namespace);
  if (claim?.metadata.uid !== uid) {
    // The driver made it before its claim was deleted: by this object it is found and deleted.
    if (!graph.hasClaim(uid)) return;
    throw nodeRefusal(request, node, `may not name another claim than that of UID ${uid}`);
  }
  const isFree = !claim.spec.volumeName || claim.spec.volumeName === metadata.name;
  const hasClass = claim.spec.storageClassName === spec.storageClassName;
  const driver = provisionerIn(claim.metadata.annotations, CLAIM_PROVISIONERS);
  const own = await isOwnClaim(claim, node, resources);
  if (isFree && hasClass && driver === csi.driver && own) return;
  const whose = `of driver ${csi.driver} and this node`;
  throw nodeRefusal(request, node, `may only create volumes for unbound claims ${whose}`);
}

/**
 * Whether a volume is the node's: no other node can reach it, or any node can (its driver publishes
 * no capacity for nodes) and its class names this one.
 */
async function isOwnVolume({ spec }: Volume, node: string, resources: Resources): Promise<boolean> {
  if (!spec.csi) return false;
  if (!(await isNodeLocal(spec.csi.driver, resources))) {
    return isOwnClass(await classOf(spec.storageClassName, resources), node);
  }
  const terms = spec.nodeAffinity?.required?.nodeSelectorTerms ?? [];
  return terms.length > 0 && terms.every((term) => selects(term, node));
}

function selects({ matchExpressions = [] }: NodeSelectorTerm, node: string): boolean {
  return matchExpressions.some(({ key, operator, values }) => {
    return namesNode(key) && operator === "In" && isDeepStrictEqual(values, [node]);
  });
}

/** Whether each node has volumes of its own: the driver's CSIDriver says so. */
async function isNodeLocal(driver: string, resources: Resources): Promise<boolean> {
  const found = await find<CSIDriver & KubeObject>(resources, [STORAGE, "csidrivers"], driver);
  return found?.spec.storageCapacity === true;
}

function classOf(name: string | undefined, resources: Resources) {
  return find<StorageClass & KubeObject>(resources, [STORAGE, "storageclasses"], name);
}

/** The object that a client names, with any text. */
async function find<T extends KubeObject>(
  resources: Resources,
  [apiVersion, plural]: readonly [string, string],
  name = "",
  namespace = "",
): Promise<T | undefined> {
  const { kind, store } = resources.of(apiVersion, plural);
  if (name === "" || name.includes("/") || kind.namespaced !== (namespace !== "")) return undefined;
  return store.find<T>(namespace, name);
}

function isOwnClass(storageClass: (StorageClass & KubeObject) | undefined, node: string): boolean {
  return storageClass?.metadata.labels?.[PROVISIONER_NODE] === node;
}

const selectedNode = ({ metadata }: Claim) => metadata.annotations?.[SELECTED_NODE];

async function isOwnClaim(claim: Claim, node: string, resources: Resources): Promise<boolean> {
  if (selectedNode(claim) === node) return true;
  return isOwnClass(await classOf(claim.spec.storageClassName, resources), node);
}

/**
 * A provisioner selects its node for a claim that any node may provide for, and takes that back.
 * Throws 403 for every other change of a claim.
 */
export const checkClaim: NodeCheck = async (request, node, { resources }) => {
  const [claim, old] = [request.object as Claim, request.old as Claim | undefined];
  if (request.operation !== "UPDATE" || old === undefined) {
    throw nodeRefusal(request, node, "may only update claims");
  }
  const [before, after] = [selectedNode(old), selectedNode(claim)];
  if (isDeepStrictEqual(unselected(claim), unselected(old)) && !claim.spec.volumeName) {
    if (before === node && after === undefined) return;
    const taken = before === undefined && after === node;
    const storageClass = taken ? await immediateClassOf(claim, resources) : undefined;
    if (storageClass && allows(storageClass, node)) return;
  }
  const what = `may only select itself (${SELECTED_NODE}) for unbound claims`;
  throw nodeRefusal(request, node, `${what} of node-local volumes with Immediate binding`);
};

function unselected({ metadata, spec }: Claim): object {
  const { resourceVersion: _v, managedFields: _m, annotations, ...kept } = metadata;
  const { [SELECTED_NODE]: _node, ...others } = annotations ?? {};
  return { ...kept, annotations: others, spec };
}

/** The class of a claim for which any node may provide a volume of its own. */
async function immediateClassOf({ spec }: Claim, resources: Resources) {
  const found = await classOf(spec.storageClassName, resources);
  if (!found || found.volumeBindingMode === "WaitForFirstConsumer") return undefined;
  const isLocal = await isNodeLocal(driverOfProvisioner(found.provisioner), resources);
  return isLocal ? found : undefined;
}

/** Whether a class allows a node, by its name: a node's other labels are its own to write. */
const allows = ({ allowedTopologies: terms = [] }: StorageClass, node: string): boolean =>
  terms.length === 0 ||
  terms.some(({ matchLabelExpressions = [] }) =>
    matchLabelExpressions.every(({ key, values }) => !namesNode(key) || values.includes(node)),
  );

const STATUS_FIELDS = [
  "capacity",
  "conditions",
  "allocatedResources",
  "allocatedResourceStatuses",
  "currentVolumeAttributesClassName",
  "modifyVolumeStatus",
];

/**
 * Throws 403 unless the claim is bound to a volume of the node, and grows to no more than it asks
 * for, which quotas count.
 */
export const checkVolumeChange: NodeCheck = async (request, node, { resources }) => {
  const { metadata, spec } = request.old as Claim;
  const volume = await find<Volume>(resources, VOLUMES, spec.volumeName);
  const isBound = volume?.spec.claimRef?.uid === metadata.uid;
  if (!volume || !isBound || !(await isOwnVolume(volume, node, resources))) {
    throw nodeRefusal(request, node, "may only update the status of claims that have its volumes");
  }
  checkChangedStatus(request, node, STATUS_FIELDS);
  const sizeOf = (claim: Claim) => claim.status?.allocatedResources?.["storage"] ?? "0";
  const grown = sizeOf(request.object as Claim);
  const bounds = [sizeOf(request.old as Claim), spec.resources?.requests?.["storage"] ?? "0"];
  if (bounds.some((each) => compareQuantity(grown, each) <= 0)) return;
  throw nodeRefusal(request, node, `may not grow a claim to ${grown}, which it does not ask for`);
};

/**
 * Throws 403 unless a capacity, before and after, is that of the node alone, one of not too many,
 * with a topology of moderate size.
 */
export const checkCapacity: NodeCheck = async (request, node, { resources }) => {
  for (const each of [request.old, request.object] as (Capacity | undefined)[]) {
    if (!each || isCapacityOf(each, node)) continue;
    throw nodeRefusal(request, node, "may only publish capacities of its own topology");
  }
  if (request.operation !== "CREATE") return;
  // A topology is immutable.
  const { nodeTopology } = request.object as Capacity;
  if (JSON.stringify(nodeTopology).length > NODE_TOPOLOGY_CHARS_MAX) {
    const what = `a topology of more than ${NODE_TOPOLOGY_CHARS_MAX} characters`;
    throw nodeRefusal(request, node, `may not publish ${what}`);
  }
  const cache = await resources.of(STORAGE, "csistoragecapacities").cache();
  const own = cache.list().filter((entry) => isCapacityOf(entry.shared<Capacity>(), node));
  if (own.length < NODE_CAPACITIES_MAX) return;
  const why = `may not publish more than ${NODE_CAPACITIES_MAX} capacities`;
  throw nodeRefusal(request, node, why);
};

function isCapacityOf({ nodeTopology }: Capacity, node: string): boolean {
  const labels = Object.entries(nodeTopology?.matchLabels ?? {});
  return labels.some(([key, value]) => namesNode(key) && value === node);
}

/** Throws 403 unless an event, before and after, is about a claim or volume of the node. */
export const checkEvent: NodeCheck = async (request, node, { resources }) => {
  for (const each of [request.old, request.object] as ((Event & KubeObject) | undefined)[]) {
    if (!each || (await isAboutOwn(each.involvedObject, node, resources))) continue;
    throw nodeRefusal(request, node, "may only record events about claims and volumes of its own");
  }
};

async function isAboutOwn(
  { kind, namespace, name }: ObjectReference,
  node: string,
  resources: Resources,
): Promise<boolean> {
  if (kind === "PersistentVolume") {
    const volume = await find<Volume>(resources, VOLUMES, name);
    return volume !== undefined && isOwnVolume(volume, node, resources);
  }
  if (kind !== "PersistentVolumeClaim") return false;
  const claim = await find<Claim>(resources, CLAIMS, name, namespace);
  if (claim === undefined) return false;
  if (await isOwnClaim(claim, node, resources)) return true;
  return (await immediateClassOf(claim, resources)) !== undefined;
}
