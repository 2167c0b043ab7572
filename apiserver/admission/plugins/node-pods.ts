import { isDeepStrictEqual } from "node:util";
import { podAmounts, resizedSpec } from "@raft2kube/api/core/v1/pod/amounts.ts";
import { isMadeByNode, isMirrorPod, MIRROR_ANNOTATION } from "@raft2kube/api/core/v1/pod/mirror.ts";
import { objectsNamedBy } from "@raft2kube/api/core/v1/pod/references.ts";
import type { Pod as CorePod } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { validateNonSpecialIp } from "@raft2kube/api/validation/addresses.ts";
import { inTreeFieldOf } from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import { own } from "@raft2kube/std/own.ts";
import { compareQuantity } from "@raft2kube/std/quantity.ts";
import { MASTERS_GROUP } from "../../authn/identities.ts";
import type { ReferringPod } from "../../authz/node/references.ts";
import type { Pod } from "../../object/pod.ts";
import type { AdmissionContext } from "../context.ts";
import { type AdmissionRequest, concerns, nodeRefusal, refusal } from "../plugin.ts";
import type { NodeCheck } from "./node-check.ts";

/** A node makes mirror pods of its own, and deletes what runs on it. Throws 403. */
export const checkPod: NodeCheck = async (request, node, context) => {
  if (request.operation === "DELETE") {
    const pod = request.old as Pod;
    if (pod.spec.nodeName !== node) {
      throw nodeRefusal(request, node, "can only delete pods with spec.nodeName set to itself");
    }
    return;
  }
  if (request.operation !== "CREATE") {
    throw nodeRefusal(request, node, "cannot update pods, only their status");
  }
  const pod = request.object as Pod;
  if (!isMirrorPod(pod)) {
    throw refusal(
      request,
      `pod does not have ${JSON.stringify(MIRROR_ANNOTATION)} annotation, ` +
        `node ${JSON.stringify(node)} can only create mirror pods`,
    );
  }
  if (pod.spec.nodeName !== node) {
    throw nodeRefusal(request, node, "can only create pods with spec.nodeName set to itself");
  }
  // Kubelets name them so (kubelet/pods/static-pod.ts). Under the name of a StatefulSet's next pod
  // it would keep that from being created.
  if (!pod.metadata.name?.endsWith(`-${node}`)) {
    throw nodeRefusal(request, node, `can only create pods whose names end with "-${node}"`);
  }
  await checkMirrorOwner(context, request, node);
  checkNamesNothing(request, pod, node);
};

/**
 * Throws 403 for another user's pod that has the form of those that nodes make for themselves (not
 * upstream): these count for no quota, and each pod finds the UID of its node in its token.
 */
export function checkNotMadeByNode(request: AdmissionRequest): void {
  if (request.object === undefined || !concerns(request, "", "pods")) return;
  const [now, before] = [request.object, request.old].map((pod) => pod as CorePod | undefined);
  if (!isMadeByNode(now!) || (before && isMadeByNode(before))) return;
  if (request.user.groups.includes(MASTERS_GROUP)) return;
  throw refusal(request, "only the node itself can own a mirror pod");
}

/** A mirror pod belongs to its node, so that it goes with it. */
async function checkMirrorOwner(
  context: AdmissionContext,
  request: AdmissionRequest,
  node: string,
): Promise<void> {
  const pod = request.object as Pod;
  const owners = pod.metadata.ownerReferences ?? [];
  const [owner] = owners;
  const own = owner?.kind === "Node" && owner.apiVersion === "v1" && owner.name === node;
  if (owners.length !== 1 || !own) {
    throw nodeRefusal(request, node, "can only create pods owned by itself");
  }
  const found = await context.resources.of("v1", "nodes").store.find<KubeObject>("", node);
  // Without a controller a ReplicaSet would adopt it, and delete a pod of its own for it.
  if (owner.controller !== true || owner.blockOwnerDeletion === true) {
    const what = "with it as controller, and without blockOwnerDeletion";
    throw nodeRefusal(request, node, `can only create pods owned by itself ${what}`);
  }
  if (found?.metadata.uid !== owner.uid) {
    throw refusal(request, `the node of the owner reference is another one`);
  }
}

/**
 * A node could read the objects that it names, or have them created for it. A disk of an in-tree
 * kind would be attached to it, anyone's that is attached nowhere else (not upstream).
 */
function checkNamesNothing(request: AdmissionRequest, pod: Pod, node: string): void {
  const { spec } = pod as CorePod;
  const [named] = objectsNamedBy(pod as ReferringPod);
  const claims = "resourceClaims" in spec ? "resourceclaims" : undefined;
  const [disk] = (spec.volumes ?? []).flatMap((each) => inTreeFieldOf(each) ?? []);
  const what = named?.split("/")[0] ?? claims ?? disk;
  if (what === undefined) return;
  throw nodeRefusal(request, node, `can not create pods that reference ${what}`);
}

/** A node evicts what runs on it. Throws 403, or 404 for a pod that is not there. */
export const checkEviction: NodeCheck = async (request, node, context) => {
  const pods = context.resources.of("v1", "pods");
  const pod = await pods.store.get<Pod>(request.namespace, request.name);
  if (pod.spec.nodeName === node) return;
  throw refusal(request, `node ${node} can only evict pods with spec.nodeName set to itself`);
};

const CLAIMS_OF_POD = ["resourceClaimStatuses", "extendedResourceClaimStatus"] as const;

/**
 * A node says what became of its own pods, and leaves their labels alone. An address that an
 * EndpointSlice cannot have would keep the slices of its Services from being written. Throws 403.
 */
export function checkPodStatus(request: AdmissionRequest, node: string): void {
  const old = request.old as Pod | undefined;
  if (request.operation !== "UPDATE" || old?.spec.nodeName !== node) {
    const what = "can only update pod status for pods with spec.nodeName set to itself";
    throw nodeRefusal(request, node, what);
  }
  if (!isDeepStrictEqual(request.object?.metadata.labels ?? {}, old.metadata.labels ?? {})) {
    throw nodeRefusal(request, node, "cannot update labels through pod status");
  }
  const { status = {} } = request.object as CorePod & KubeObject;
  for (const field of CLAIMS_OF_POD) {
    // A node's driver prepares devices of the claims that are named there.
    if (isDeepStrictEqual(status[field], (old as CorePod).status?.[field])) continue;
    throw nodeRefusal(request, node, `cannot update status.${field}`);
  }
  const { podIP = "", podIPs = [] } = status;
  for (const address of [podIP, ...podIPs.map(({ ip }) => ip)]) {
    const [wrong] = address === "" ? [] : validateNonSpecialIp(address, "status.podIPs");
    if (wrong === undefined) continue;
    throw nodeRefusal(request, node, `cannot set the pod address ${address}: ${wrong.detail}`);
  }
  checkResources(request, node);
}

/**
 * Quotas count what a node says that its pod has while a resize is under way: never more than the
 * pod asks for now, or has counted for before. Not upstream's, whose nodes may use up the quotas of
 * any namespace with a pod of theirs. Throws 403.
 */
function checkResources(request: AdmissionRequest, node: string): void {
  const [pod, old] = [request.object, request.old] as unknown as [CorePod, CorePod];
  const [now, before] = [resizedSpec(pod), resizedSpec(old)];
  for (const which of ["requests", "limits"] as const) {
    const bounds = [podAmounts(old.spec, which), podAmounts(before, which)];
    for (const [name, amount] of Object.entries(podAmounts(now, which))) {
      if (bounds.some((each) => compareQuantity(amount, own(each, name) ?? "0") <= 0)) continue;
      throw nodeRefusal(request, node, `cannot raise the ${which} of ${name} to ${amount}`);
    }
  }
}
