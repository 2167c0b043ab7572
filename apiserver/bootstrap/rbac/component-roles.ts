import { NODE_RULES } from "../../authz/node/rules.ts";
import {
  allow,
  allowNamed,
  APPS,
  CERTIFICATES,
  COORDINATION,
  CORE,
  DISCOVERY,
  EVENTS,
  NETWORKING,
  POLICY,
  type PolicyRole,
  READ,
  RESOURCE,
  STORAGE,
} from "./policy.ts";

const REVIEWS = [
  allow("create", "authentication.k8s.io", "tokenreviews"),
  allow("create", "authorization.k8s.io", "subjectaccessreviews"),
];

/** Roles of the cluster's own parts (upstream's bootstrappolicy.ClusterRoles). */
export const COMPONENT_ROLES: readonly PolicyRole[] = [
  { name: "system:node", rules: [...NODE_RULES] },
  { name: "system:auth-delegator", rules: REVIEWS },
  {
    name: "system:heapster",
    rules: [
      allow(READ, CORE, "events namespaces nodes pods"),
      allow(READ, "extensions", "deployments"),
    ],
  },
  { name: "system:kube-aggregator", rules: [allow(READ, CORE, "endpoints services")] },
  {
    name: "system:kubelet-api-admin",
    rules: [
      allow(READ, CORE, "nodes"),
      allow("proxy", CORE, "nodes"),
      allow("*", CORE, "nodes/log nodes/metrics nodes/proxy nodes/stats"),
    ],
  },
  {
    name: "system:node-bootstrapper",
    rules: [allow("create get list watch", CERTIFICATES, "certificatesigningrequests")],
  },
  {
    name: "system:node-problem-detector",
    rules: [allow("get", CORE, "nodes"), allow("patch", CORE, "nodes/status"), ...EVENTS],
  },
  {
    name: "system:node-proxier",
    rules: [
      allow("list watch", CORE, "endpoints services"),
      allow(READ, CORE, "nodes"),
      allow("list watch", DISCOVERY, "endpointslices"),
      allow("list watch", NETWORKING, "servicecidrs"),
      ...EVENTS,
    ],
  },
  {
    name: "system:kube-dns",
    rules: [
      allow("list watch", CORE, "endpoints services"),
      allow("list watch", DISCOVERY, "endpointslices"),
    ],
  },
  {
    name: "system:persistent-volume-provisioner",
    rules: [
      allow("create delete get list watch", CORE, "persistentvolumes"),
      allow("get list update watch", CORE, "persistentvolumeclaims"),
      allow(READ, STORAGE, "storageclasses"),
      allow("watch", CORE, "events"),
      ...EVENTS,
    ],
  },
  {
    name: "system:kube-controller-manager",
    rules: [
      ...EVENTS,
      allow("create", COORDINATION, "leases"),
      allowNamed("get update", COORDINATION, "leases", "kube-controller-manager"),
      allow("create", CORE, "secrets serviceaccounts"),
      allow("delete", CORE, "secrets"),
      allow("get", CORE, "configmaps namespaces secrets serviceaccounts"),
      allow("update", CORE, "secrets serviceaccounts"),
      ...REVIEWS,
      allow("list watch", "*", "*"),
      allow("create", CORE, "serviceaccounts/token"),
    ],
  },
  {
    name: "system:kube-scheduler",
    rules: [
      ...EVENTS,
      allow("create", COORDINATION, "leases"),
      allowNamed("get list update watch", COORDINATION, "leases", "kube-scheduler"),
      allow(READ, CORE, "nodes"),
      allow("delete get list watch", CORE, "pods"),
      allow("create", CORE, "bindings pods/binding"),
      allow("patch update", CORE, "pods/status"),
      allow(READ, CORE, "namespaces replicationcontrollers services"),
      allow(READ, APPS, "replicasets statefulsets"),
      allow(READ, POLICY, "poddisruptionbudgets"),
      allow(READ, CORE, "persistentvolumeclaims persistentvolumes"),
      ...REVIEWS,
      allow(
        READ,
        STORAGE,
        "csidrivers csinodes csistoragecapacities storageclasses volumeattachments",
      ),
      allow(READ, RESOURCE, "deviceclasses resourceslices"),
      allow("get list patch update watch", RESOURCE, "resourceclaims"),
      allow("patch update", RESOURCE, "resourceclaims/status"),
    ],
  },
  {
    name: "system:volume-scheduler",
    rules: [
      allow("get list patch update watch", CORE, "persistentvolumes"),
      allow(READ, STORAGE, "storageclasses"),
      allow("get list patch update watch", CORE, "persistentvolumeclaims"),
    ],
  },
  ...certificateRoles(),
  {
    // Ours: the DNS server reads what it answers from.
    name: "system:r2k:dns",
    rules: [
      allow("list watch", CORE, "endpoints namespaces pods services"),
      allow("list watch", DISCOVERY, "endpointslices"),
      allow("get", CORE, "nodes"),
    ],
  },
  {
    // Ours: the provisioner beside a CSI driver (kubernetes-csi's external-provisioner).
    name: "system:r2k:csi-provisioner",
    rules: [
      ...EVENTS,
      allow("list watch", CORE, "events"),
      allow("create delete get list patch update watch", CORE, "persistentvolumes"),
      allow("get list patch update watch", CORE, "persistentvolumeclaims"),
      allow("patch update", CORE, "persistentvolumeclaims/status persistentvolumes/status"),
      allow(READ, STORAGE, "csidrivers csinodes storageclasses volumeattachments"),
      allow(READ, CORE, "nodes secrets pods"),
      allow([...READ, "create", "delete", "patch", "update"], STORAGE, "csistoragecapacities"),
      allow([...READ, "create", "delete", "patch", "update"], COORDINATION, "leases"),
      allow("patch update", STORAGE, "volumeattachments volumeattachments/status"),
      allow("get", APPS, "replicasets"),
    ],
  },
];

function certificateRoles(): PolicyRole[] {
  const csr = "certificates.k8s.io:certificatesigningrequests";
  const client = "kubernetes.io/kube-apiserver-client";
  const approvers = [
    ["legacy-unknown-approver", "kubernetes.io/legacy-unknown"],
    ["kubelet-serving-approver", "kubernetes.io/kubelet-serving"],
    ["kube-apiserver-client-approver", client],
    ["kube-apiserver-client-kubelet-approver", `${client}-kubelet`],
  ] as const;
  const selves = ["nodeclient", "selfnodeclient"] as const;
  return [
    ...selves.map((name) => ({
      name: `system:${csr}:${name}`,
      rules: [allow("create", CERTIFICATES, `certificatesigningrequests/${name}`)],
    })),
    ...approvers.map(([name, signer]) => ({
      name: `system:certificates.k8s.io:${name}`,
      rules: [allowNamed("approve", CERTIFICATES, "signers", signer)],
    })),
  ];
}

/** Roles inside kube-system and kube-public. */
export const NAMESPACED_ROLES: readonly (PolicyRole & { namespace: string })[] = [
  {
    namespace: "kube-system",
    name: "extension-apiserver-authentication-reader",
    rules: [allowNamed("get list watch", CORE, "configmaps", "extension-apiserver-authentication")],
  },
  {
    namespace: "kube-system",
    name: "system:controller:bootstrap-signer",
    rules: [allow(READ, CORE, "secrets")],
  },
  {
    namespace: "kube-system",
    name: "system:controller:cloud-provider",
    rules: [allow("create get list watch", CORE, "configmaps")],
  },
  {
    namespace: "kube-system",
    name: "system:controller:token-cleaner",
    rules: [allow("delete get list watch", CORE, "secrets"), ...EVENTS],
  },
  ...["kube-controller-manager", "kube-scheduler"].map((name) => ({
    namespace: "kube-system",
    name: `system::leader-locking-${name}`,
    rules: [allow("watch", CORE, "configmaps"), allowNamed("get update", CORE, "configmaps", name)],
  })),
  {
    namespace: "kube-public",
    name: "system:controller:bootstrap-signer",
    rules: [
      allow(READ, CORE, "configmaps"),
      allowNamed("update", CORE, "configmaps", "cluster-info"),
      ...EVENTS,
    ],
  },
];
