import { isDeepStrictEqual } from "node:util";
import type { ResourceSlice } from "@raft2kube/api/gen/resource/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { type NodePart, nodeOf } from "@raft2kube/api/node-users.ts";
import { own } from "@raft2kube/std/own.ts";
import type { AdmissionContext } from "../context.ts";
import { type AdmissionPlugin, type AdmissionRequest, nodeRefusal, refusal } from "../plugin.ts";
import { certificateSubject, type SigningRequest } from "./certificates.ts";
import { checkChangedStatus } from "./claim-status.ts";
import { checkAddresses } from "./node-addresses.ts";
import type { NodeCheck } from "./node-check.ts";
import { checkNamingLabels } from "./node-labels.ts";
import { checkNode } from "./node-object.ts";
import { checkEviction, checkNotMadeByNode, checkPod, checkPodStatus } from "./node-pods.ts";
import {
  checkCapacity,
  checkClaim,
  checkEvent,
  checkVolume,
  checkVolumeChange,
  PROVISIONER_FINALIZER,
} from "./node-provisioner.ts";
import { checkToken } from "./node-tokens.ts";

/**
 * Keeps the parts of a node to its own: its Node, its lease, its CSINode, the pods bound to it, its
 * volumes. Facts in a request's body, which an authorizer cannot see, are checked here.
 */
export function nodeRestriction(context: AdmissionContext): AdmissionPlugin {
  return {
    name: "NodeRestriction",
    admit(request) {
      const user = nodeOf(request.user);
      // In the second pass the object may have finalizers that a webhook added.
      if (user === undefined || request.reinvocation.isSecond) return;
      checkFinalizers(request, user.node);
    },
    async validate(request) {
      const user = nodeOf(request.user);
      if (user?.part !== "kubelet") checkNotMadeByNode(request);
      if (user === undefined) return;
      const { group, plural } = request.resource.kind;
      const part = request.subresource === "" ? "" : `/${request.subresource}`;
      const check = own(CHECKS[user.part], `${group}/${plural}${part}`);
      await check?.(request, user.node, context);
    },
  };
}

/** Checks of a kubelet's writes by group, resource and subresource; each throws 403. */
const KUBELET: Readonly<Record<string, NodeCheck>> = {
  "/pods": checkPod,
  "/pods/status": checkPodStatus,
  "/pods/eviction": checkEviction,
  "/nodes": checkOwnNode,
  "/nodes/status": checkOwnNode,
  "/serviceaccounts/token": checkToken,
  "/persistentvolumeclaims/status": checkClaimStatus,
  "coordination.k8s.io/leases": (request, node) => checkOwnName(request, node, "lease"),
  "storage.k8s.io/csinodes": (request, node) => checkOwnName(request, node, "CSINode"),
  "certificates.k8s.io/certificatesigningrequests": checkSigningRequest,
  "resource.k8s.io/resourceslices": checkSlice,
};

/** All others may only read, and record events, by their roles. */
const CHECKS: Readonly<Record<NodePart, Readonly<Record<string, NodeCheck>>>> = {
  kubelet: KUBELET,
  proxy: {},
  dns: {},
  "csi-provisioner": {
    "/persistentvolumes": checkVolume,
    "/persistentvolumeclaims": checkClaim,
    "/persistentvolumeclaims/status": checkVolumeChange,
    "/events": checkEvent,
    "storage.k8s.io/csistoragecapacities": checkCapacity,
  },
};

/**
 * A Node or a pod that its node keeps would outlive `r2k node remove`, and the machine's address
 * would remain one of the overlay; without a Job's finalizer its pod would not be counted; a
 * namespace with a capacity or an event that its node keeps could not be deleted. Only the
 * provisioner has a finalizer of its own, that of its volumes. Later changes by policies and
 * webhooks are not its own. Not upstream's. Throws 403.
 */
function checkFinalizers(request: AdmissionRequest, node: string): void {
  if (request.object === undefined) return;
  const others = (object: KubeObject | undefined) =>
    (object?.metadata.finalizers ?? []).filter((each) => each !== PROVISIONER_FINALIZER);
  const isVolume = request.resource.kind.plural === "persistentvolumes";
  const [now, before] = [request.object, request.old].map((each) =>
    isVolume ? others(each) : (each?.metadata.finalizers ?? []),
  );
  if (isDeepStrictEqual(now, before)) return;
  throw nodeRefusal(request, node, "is not allowed to modify finalizers");
}

async function checkOwnNode(
  request: AdmissionRequest,
  node: string,
  context: AdmissionContext,
): Promise<void> {
  checkNode(request, node);
  await checkNamingLabels(request, node, context);
  await checkAddresses(request, node, context);
}

/** The authorizer cannot know whose a new slice is, nor each one that a collection's end takes. */
function checkSlice(request: AdmissionRequest, node: string): void {
  const { operation, object, old } = request;
  if (operation !== "CREATE" && operation !== "DELETE") return;
  const { spec } = (operation === "CREATE" ? object : old) as ResourceSlice;
  if (spec.nodeName === node) return;
  const same = "ResourceSlice with the same NodeName as the requesting node";
  throw refusal(request, `can only ${operation.toLowerCase()} ${same}`);
}

/**
 * Status fields of a claim that a node may change: its volume's size, conditions, and how far its
 * growth is. The size that it grows to is not the node's: quotas count it, and the driver's
 * controller goes on to it. Upstream's may change that, too.
 */
const CLAIM_STATUS_FIELDS = ["capacity", "conditions", "allocatedResourceStatuses"];

function checkClaimStatus(request: AdmissionRequest, node: string): void {
  checkChangedStatus(request, node, CLAIM_STATUS_FIELDS);
}

const NODE_SIGNERS = [
  "kubernetes.io/kubelet-serving",
  "kubernetes.io/kube-apiserver-client-kubelet",
];

/** A node asks for certificates in its own name only. */
async function checkSigningRequest(request: AdmissionRequest, node: string): Promise<void> {
  if (request.operation !== "CREATE") return;
  const { spec } = request.object as SigningRequest;
  if (!NODE_SIGNERS.includes(spec.signerName)) return;
  const { commonName } = await certificateSubject(request, spec.request);
  if (commonName === `system:node:${node}`) return;
  throw refusal(request, `can only create a node CSR with CN=system:node:${node}`);
}

function checkOwnName(request: AdmissionRequest, node: string, what: string): void {
  const name = request.object?.metadata.name ?? request.name;
  if (name !== node) {
    throw refusal(request, `can only access ${what} with the same name as the requesting node`);
  }
}
