import type { Subject } from "@raft2kube/api/gen/rbac/v1.ts";
import { CONTROLLERS } from "./controller-roles.ts";
import { RBAC } from "../../authz/rbac/policy.ts";

/** A binding of the bootstrap policy. */
export interface PolicyBinding {
  name: string;
  /** "" for ClusterRoleBindings. */
  namespace: string;
  role: { kind: "ClusterRole" | "Role"; name: string };
  subjects: readonly Subject[];
}

const group = (name: string): Subject => ({ kind: "Group", apiGroup: RBAC, name });
const user = (name: string): Subject => ({ kind: "User", apiGroup: RBAC, name });
const account = (name: string): Subject => ({
  kind: "ServiceAccount",
  name,
  namespace: "kube-system",
});

function bind(name: string, role: string, ...subjects: Subject[]): PolicyBinding {
  return { name, namespace: "", role: { kind: "ClusterRole", name: role }, subjects };
}

function bindIn(namespace: string, role: string, ...subjects: Subject[]): PolicyBinding {
  return bindAs(role, namespace, role, ...subjects);
}

function bindAs(
  name: string,
  namespace: string,
  role: string,
  ...subjects: Subject[]
): PolicyBinding {
  return { name, namespace, role: { kind: "Role", name: role }, subjects };
}

const EVERYBODY = group("system:authenticated");
const NOBODY = group("system:unauthenticated");

/** Who has which of the bootstrap roles (upstream's bootstrappolicy.ClusterRoleBindings). */
export const BINDINGS: readonly PolicyBinding[] = [
  bind("cluster-admin", "cluster-admin", group("system:masters")),
  bind("system:monitoring", "system:monitoring", group("system:monitoring")),
  bind("system:discovery", "system:discovery", EVERYBODY),
  bind("system:basic-user", "system:basic-user", EVERYBODY),
  bind("system:public-info-viewer", "system:public-info-viewer", EVERYBODY, NOBODY),
  bind(
    "system:service-account-issuer-discovery",
    "system:service-account-issuer-discovery",
    group("system:serviceaccounts"),
  ),
  bind("system:node-proxier", "system:node-proxier", user("system:kube-proxy")),
  bind(
    "system:kube-controller-manager",
    "system:kube-controller-manager",
    user("system:kube-controller-manager"),
  ),
  bind("system:kube-dns", "system:kube-dns", account("kube-dns")),
  bind("system:kube-scheduler", "system:kube-scheduler", user("system:kube-scheduler")),
  bind("system:volume-scheduler", "system:volume-scheduler", user("system:kube-scheduler")),
  // Nodes have their rights from the Node authorizer, not from a role: no subjects.
  bind("system:node", "system:node"),
  ...CONTROLLERS.map((name) =>
    bind(`system:controller:${name}`, `system:controller:${name}`, account(name)),
  ),
  bindAs(
    "system::extension-apiserver-authentication-reader",
    "kube-system",
    "extension-apiserver-authentication-reader",
    user("system:kube-controller-manager"),
    user("system:kube-scheduler"),
  ),
  bindIn("kube-system", "system:controller:bootstrap-signer", account("bootstrap-signer")),
  bindIn("kube-system", "system:controller:cloud-provider", account("cloud-provider")),
  bindIn("kube-system", "system:controller:token-cleaner", account("token-cleaner")),
  bindIn(
    "kube-system",
    "system::leader-locking-kube-controller-manager",
    user("system:kube-controller-manager"),
    account("kube-controller-manager"),
    account("leader-election-controller"),
  ),
  bindIn(
    "kube-system",
    "system::leader-locking-kube-scheduler",
    user("system:kube-scheduler"),
    account("kube-scheduler"),
  ),
  bindIn("kube-public", "system:controller:bootstrap-signer", account("bootstrap-signer")),
];

/** Who has rights here that nobody has by upstream's policy. */
export const OWN_BINDINGS: readonly PolicyBinding[] = [
  // A node's own certificate is renewed without anybody's doing (kubeadm makes this binding).
  bind(
    "system:r2k:node-certificate-rotation",
    "system:certificates.k8s.io:certificatesigningrequests:selfnodeclient",
    group("system:nodes"),
  ),
  bind(
    "system:r2k:kubelet-client",
    "system:kubelet-api-admin",
    user("kube-apiserver-kubelet-client"),
    user("system:r2k:apiserver"),
  ),
  bind("system:r2k:dns", "system:r2k:dns", user("system:r2k:dns")),
  bind(
    "system:r2k:csi-provisioner",
    "system:r2k:csi-provisioner",
    user("system:r2k:csi-provisioner"),
  ),
];
