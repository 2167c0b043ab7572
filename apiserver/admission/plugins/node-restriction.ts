import { isDeepStrictEqual } from "node:util";
import type { ResourceSlice } from "@raft2kube/api/gen/resource/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { nodeNameOf } from "../../authn/identities.ts";
import type { AdmissionContext } from "../context.ts";
import { type AdmissionPlugin, type AdmissionRequest, concerns, refusal } from "../plugin.ts";
import { certificateSubject, type SigningRequest } from "./certificates.ts";
import { checkNode } from "./node-object.ts";
import { checkEviction, checkPod, checkPodStatus } from "./node-pods.ts";
import { checkToken } from "./node-tokens.ts";

/**
 * Keeps a kubelet to its own: its Node, its lease, its CSINode, the pods bound to it. What the Node
 * authorizer cannot see, because it stands in the body, is checked here.
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
        return await checkToken(request, context, node);
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

/** The authorizer cannot know whose a new slice is, nor each one that a collection's end takes. */
function checkSlice(request: AdmissionRequest, node: string): void {
  const { operation, object, old } = request;
  if (operation !== "CREATE" && operation !== "DELETE") return;
  const { spec } = (operation === "CREATE" ? object : old) as ResourceSlice;
  if (spec.nodeName === node) return;
  const same = "ResourceSlice with the same NodeName as the requesting node";
  throw refusal(request, `can only ${operation.toLowerCase()} ${same}`);
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
  throw refusal(
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
  throw refusal(request, `can only create a node CSR with CN=system:node:${node}`);
}

function checkOwnName(request: AdmissionRequest, node: string, what: string): void {
  const name = request.object?.metadata.name ?? request.name;
  if (name !== node) {
    throw refusal(request, `can only access ${what} with the same name as the requesting node`);
  }
}
