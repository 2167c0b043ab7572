import { join } from "node:path";
import type { SelfSubjectAccessReview } from "@raft2kube/api/gen/authorization/v1.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { ADDONS_DIR } from "../assets.ts";
import { CommandError } from "../terminal.ts";

/** The resources that a node lists beside upstream's rights of nodes, to connect its pods. */
const NEEDED = [
  { group: "", resource: "nodes" },
  { group: "networking.k8s.io", resource: "networkpolicies" },
  { group: "discovery.k8s.io", resource: "endpointslices" },
] as const;

/** The manifests that give nodes these rights, and tokens too, by which they are seen. */
const MANIFESTS = ["06-overlay.yaml", "07-network-policy.yaml"];

/**
 * Asks with a token's client whether the cluster has the manifests that nodes of this product need:
 * a cluster of kubeadm's has them by hand. Throws CommandError `RIGHTS` with the remedy.
 */
export async function requireNodeRights(client: KubeClient): Promise<void> {
  const missing: string[] = [];
  for (const attributes of NEEDED) {
    const review = await client.request<SelfSubjectAccessReview>({
      method: "POST",
      path: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
      body: {
        apiVersion: "authorization.k8s.io/v1",
        kind: "SelfSubjectAccessReview",
        spec: { resourceAttributes: { ...attributes, verb: "list" } },
      },
    });
    if (review.status?.allowed !== true) missing.push(attributes.resource);
  }
  if (missing.length === 0) return;
  const text =
    `the cluster does not let nodes list ${missing.join(", ")}: pods of this machine ` +
    "would have no network";
  const files = MANIFESTS.map((name) => `-f ${join(ADDONS_DIR, name)}`).join(" ");
  throw new CommandError("RIGHTS", text, {
    remedy: `as an administrator of the cluster: kubectl apply ${files}`,
  });
}
