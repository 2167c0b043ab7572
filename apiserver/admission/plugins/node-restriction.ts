import { isDeepStrictEqual } from "node:util";
import type { ResourceSlice } from "@raft2kube/api/gen/resource/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { nodeNameOf } from "../../authn/identities.ts";
import { objectsNamedBy, type ReferringPod } from "../../authz/node/references.ts";
import type { ApiError } from "../../errors/api-error.ts";
import { forbidden } from "../../errors/catalog.ts";
import type { AdmissionContext } from "../context.ts";
import { type AdmissionPlugin, type AdmissionRequest, concerns } from "../plugin.ts";
import { certificateSubject, type SigningRequest } from "./certificates.ts";
import { isMirrorPod, MIRROR_ANNOTATION, type Pod } from "./pod.ts";

/**
 * Keeps a kubelet to its own: its Node, its lease, its CSINode, the pods bound to it. What the Node
 * authorizer cannot
 * see, because it stands in the body, is checked here.
 */
export function nodeRestriction(context: AdmissionContext): AdmissionPlugin {
  return {
    name: "NodeRestriction",
    async validate(request) {
      const node = nodeNameOf(request.user);
      if (node === undefined) return;
      if (concerns(request, "", "pods")) return await checkPod(context, request, node);
      if (concerns(request, "", "pods", "status")) return checkPodStatus(request, node);
      if (concerns(request, "", "pods", "eviction")) {
        return await checkEviction(context, request, node);
      }
      if (concerns(request, "", "nodes") || concerns(request, "", "nodes", "status")) {
        return checkNode(request, node);
      }
      if (concerns(request, "", "serviceaccounts", "token")) {
        return checkToken(request, context, node);
      }
      if (concerns(request, "coordination.k8s.io", "leases")) {
        return checkOwnName(request, node, "lease");
      }
      if (concerns(request, "storage.k8s.io", "csinodes")) {
        return checkOwnName(request, node, "CSINode");
      }
      if (concerns(request, "", "persistentvolumeclaims", "status")) {
        return checkClaimStatus(request, node);
      }
      if (concerns(request, "certificates.k8s.io", "certificatesigningrequests")) {
        return await checkSigningRequest(request, node);
      }
      if (concerns(request, "resource.k8s.io", "resourceslices")) return checkSlice(request, node);
    },
  };
}

function no(request: AdmissionRequest, why: string): ApiError {
  return forbidden(request.resource.subject, request.name, why);
}

/** The authorizer cannot know whose a new slice is, nor each one that a collection's end takes. */
function checkSlice(request: AdmissionRequest, node: string): void {
  const { operation, object, old } = request;
  if (operation !== "CREATE" && operation !== "DELETE") return;
  const { spec } = (operation === "CREATE" ? object : old) as ResourceSlice;
  if (spec.nodeName === node) return;
  const same = "ResourceSlice with the same NodeName as the requesting node";
  throw no(request, `can only ${operation.toLowerCase()} ${same}`);
}

async function checkPod(
  context: AdmissionContext,
  request: AdmissionRequest,
  node: string,
): Promise<void> {
  if (request.operation === "DELETE") {
    const pod = request.old as Pod;
    if (pod.spec.nodeName !== node) {
      throw no(
        request,
        `node ${JSON.stringify(node)} can only delete pods with ` + "spec.nodeName set to itself",
      );
    }
    return;
  }
  if (request.operation !== "CREATE") {
    throw no(request, `node ${JSON.stringify(node)} cannot update pods, only their status`);
  }
  const pod = request.object as Pod;
  if (!isMirrorPod(pod)) {
    throw no(
      request,
      `pod does not have ${JSON.stringify(MIRROR_ANNOTATION)} annotation, ` +
        `node ${JSON.stringify(node)} can only create mirror pods`,
    );
  }
  if (pod.spec.nodeName !== node) {
    throw no(
      request,
      `node ${JSON.stringify(node)} can only create pods with spec.nodeName set to itself`,
    );
  }
  await checkMirrorOwner(context, request, node);
  checkNamesNothing(request, pod, node);
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
    throw no(request, `node ${JSON.stringify(node)} can only create pods owned by itself`);
  }
  const found = await context.registry.of("v1", "nodes").store.find<KubeObject>("", node);
  if (found?.metadata.uid !== owner.uid) {
    throw no(request, `the node of the owner reference is another one`);
  }
}

/** What it named it could read afterwards, or have made for it. */
function checkNamesNothing(request: AdmissionRequest, pod: Pod, node: string): void {
  const [named] = objectsNamedBy(pod as ReferringPod);
  const claims = "resourceClaims" in pod.spec ? "resourceclaims" : undefined;
  const what = named?.split("/")[0] ?? claims;
  if (what === undefined) return;
  throw no(request, `node ${JSON.stringify(node)} can not create pods that reference ${what}`);
}

/** Of a claim a node tells how large its volume has become, and what is the matter with it. */
const TOLD_OF_CLAIMS = [
  "capacity", "conditions", "allocatedResources", "allocatedResourceStatuses",
] as const;

function checkClaimStatus(request: AdmissionRequest, node: string): void {
  const rest = (object: KubeObject | undefined) => {
    const { metadata, status, ...others } = object as KubeObject & { status?: object };
    const { resourceVersion: _version, managedFields: _owners, ...kept } = metadata;
    const left: Record<string, unknown> = { ...status };
    for (const name of TOLD_OF_CLAIMS) delete left[name];
    return { ...others, metadata: kept, status: left };
  };
  if (isDeepStrictEqual(rest(request.object), rest(request.old))) return;
  throw no(
    request,
    `node ${JSON.stringify(node)} is not allowed to update fields other than ` +
      "status.quantity and status.conditions",
  );
}

const NODE_SIGNERS = [
  "kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet",
];

/** A node asks for certificates in its own name only. */
async function checkSigningRequest(request: AdmissionRequest, node: string): Promise<void> {
  if (request.operation !== "CREATE") return;
  const { spec } = request.object as SigningRequest;
  if (!NODE_SIGNERS.includes(spec.signerName)) return;
  const { commonName } = await certificateSubject(request, spec.request);
  if (commonName === `system:node:${node}`) return;
  throw no(request, `can only create a node CSR with CN=system:node:${node}`);
}

async function checkEviction(
  context: AdmissionContext,
  request: AdmissionRequest,
  node: string,
): Promise<void> {
  const pods = context.registry.of("v1", "pods");
  const pod = await pods.store.get<Pod>(request.namespace, request.name);
  if (pod.spec.nodeName === node) return;
  throw no(request, `node ${node} can only evict pods with spec.nodeName set to itself`);
}

function checkPodStatus(request: AdmissionRequest, node: string): void {
  const old = request.old as Pod | undefined;
  if (request.operation !== "UPDATE" || old?.spec.nodeName !== node) {
    throw no(
      request,
      `node ${JSON.stringify(node)} can only update pod status for pods with ` +
        "spec.nodeName set to itself",
    );
  }
  if (!isDeepStrictEqual(request.object?.metadata.labels ?? {}, old.metadata.labels ?? {})) {
    throw no(request, `node ${JSON.stringify(node)} cannot update labels through pod status`);
  }
}

const OWN_LABELS = new Set([
  "kubernetes.io/hostname",
  "kubernetes.io/arch",
  "kubernetes.io/os",
  "beta.kubernetes.io/arch",
  "beta.kubernetes.io/os",
  "node.kubernetes.io/instance-type",
  "beta.kubernetes.io/instance-type",
  "topology.kubernetes.io/region",
  "topology.kubernetes.io/zone",
  "failure-domain.beta.kubernetes.io/region",
  "failure-domain.beta.kubernetes.io/zone",
]);
/** Labels by which pods are kept away from nodes that are not trusted with them. */
const RESTRICTED_DOMAIN = "node-restriction.kubernetes.io";
const OWN_PREFIXES = ["kubelet.kubernetes.io/", "node.kubernetes.io/"];

interface Node extends KubeObject {
  spec?: { taints?: object[]; configSource?: object };
}

function checkNode(request: AdmissionRequest, node: string): void {
  if (request.operation === "DELETE") {
    throw no(request, `node ${JSON.stringify(node)} cannot delete nodes`);
  }
  const name = request.object?.metadata.name ?? request.name;
  if (name !== node) {
    throw no(
      request,
      `node ${JSON.stringify(node)} is not allowed to modify node ${JSON.stringify(name)}`,
    );
  }
  const object = request.object as Node;
  const old = request.old as Node | undefined;
  checkLabels(request, object, old, node);
  if (old === undefined) return;
  if (!isDeepStrictEqual(object.spec?.taints ?? [], old.spec?.taints ?? [])) {
    throw no(request, `node ${JSON.stringify(node)} is not allowed to modify taints`);
  }
  // Owned by something that is deleted, the node would go with it (CVE-2025-5187).
  const { ownerReferences: owners = [] } = object.metadata;
  if (!isDeepStrictEqual(owners, old.metadata.ownerReferences ?? [])) {
    throw no(request, `node ${JSON.stringify(node)} is not allowed to modify ownerReferences`);
  }
}

/** A node may not label itself into work it was not meant for. */
function checkLabels(
  request: AdmissionRequest,
  object: Node,
  old: Node | undefined,
  node: string,
): void {
  const now = object.metadata.labels ?? {};
  const before = old?.metadata.labels ?? {};
  const changed = [...new Set([...Object.keys(now), ...Object.keys(before)])].filter(
    (key) => now[key] !== before[key],
  );
  const refused = changed.filter((key) => !mayLabel(key)).sort();
  if (refused.length > 0) {
    const labels = refused.join(", ");
    throw no(request, `node ${JSON.stringify(node)} is not allowed to modify labels: ${labels}`);
  }
}

function mayLabel(key: string): boolean {
  const domain = key.includes("/") ? key.slice(0, key.indexOf("/")) : "";
  if (domain === RESTRICTED_DOMAIN || domain.endsWith(`.${RESTRICTED_DOMAIN}`)) return false;
  const reserved = ["kubernetes.io", "k8s.io"].some(
    (each) => domain === each || domain.endsWith(`.${each}`),
  );
  if (!reserved) return true;
  return (
    OWN_LABELS.has(key) ||
    OWN_PREFIXES.some((prefix) => key.startsWith(prefix)) ||
    OWN_PREFIXES.some((prefix) => domain.endsWith(`.${prefix.slice(0, -1)}`))
  );
}

interface TokenRequest extends KubeObject {
  spec?: { boundObjectRef?: { kind?: string; name?: string; uid?: string } };
}

/** A node gets tokens only for pods that run on it, bound to them. */
function checkToken(request: AdmissionRequest, context: AdmissionContext, node: string): void {
  const bound = (request.object as TokenRequest).spec?.boundObjectRef;
  if (bound?.kind !== "Pod" || !bound.name) {
    throw no(request, "node requested token not bound to a pod");
  }
  if (!bound.uid) throw no(request, "node requested token with a pod binding without a uid");
  if (!context.graph.reaches(node, "pods", request.namespace, bound.name)) {
    throw no(request, "node requested token bound to a pod scheduled on a different node");
  }
}

function checkOwnName(request: AdmissionRequest, node: string, what: string): void {
  const name = request.object?.metadata.name ?? request.name;
  if (name !== node) {
    throw no(request, `can only access ${what} with the same name as the requesting node`);
  }
}
