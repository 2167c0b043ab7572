import { NODE_RULES } from "../../authz/node/rules.ts";
import {
  allow,
  allowNamed,
  APPS,
  APPS_OLD,
  CERTIFICATES,
  COORDINATION,
  CORE,
  DISCOVERY,
  EVENTS,
  EVERY,
  NETWORKING,
  POLICY,
  type PolicyRole,
  READ,
  RESOURCE,
  STORAGE,
} from "../../authz/rbac/policy.ts";

/** Roles of the cluster's own parts (upstream's bootstrappolicy.ClusterRoles). */
export const COMPONENT_ROLES: readonly PolicyRole[] = [
  {
    name: "system:auth-delegator",
    rules: [
      allow("create", "authentication.k8s.io", "tokenreviews"),
      allow("create", "authorization.k8s.io", "subjectaccessreviews"),
    ],
  },
  {
    name: "system:heapster",
    rules: [
      allow(READ, CORE, "events namespaces nodes pods"),
      allow(READ, "extensions", "deployments"),
    ],
  },
  { name: "system:kube-aggregator", rules: [allow(READ, CORE, "endpoints services")] },
  {
    name: "system:kube-controller-manager",
    rules: [
      EVENTS,
      allow("create", COORDINATION, "leases"),
      allowNamed("get update", COORDINATION, "leases", "kube-controller-manager"),
      allow("create", CORE, "secrets serviceaccounts"),
      allow("delete", CORE, "secrets"),
      allow("get", CORE, "configmaps namespaces secrets serviceaccounts"),
      allow("update", CORE, "secrets serviceaccounts"),
      allow("create", "authentication.k8s.io", "tokenreviews"),
      allow("create", "authorization.k8s.io", "subjectaccessreviews"),
      allow("list watch", "*", "*"),
      allow("create", CORE, "serviceaccounts/token"),
    ],
  },
  { name: "system:kube-dns", rules: [allow("list watch", CORE, "endpoints services")] },
  {
    name: "system:kube-scheduler",
    rules: [
      EVENTS,
      allow("create", COORDINATION, "leases"),
      allowNamed("get list update watch", COORDINATION, "leases", "kube-scheduler"),
      allow(EVERY, COORDINATION, "leasecandidates"),
      allow(READ, CORE, "nodes"),
      allow("delete get list watch", CORE, "pods"),
      allow("create", CORE, "bindings pods/binding"),
      allow("patch update", CORE, "pods/status"),
      allow(READ, CORE, "replicationcontrollers services"),
      allow(READ, APPS_OLD, "replicasets"),
      allow(READ, APPS, "statefulsets"),
      allow(READ, POLICY, "poddisruptionbudgets"),
      allow(READ, CORE, "persistentvolumeclaims persistentvolumes"),
      allow("create", "authentication.k8s.io", "tokenreviews"),
      allow("create", "authorization.k8s.io", "subjectaccessreviews"),
      allow(READ, STORAGE, "csinodes"),
      allow(READ, STORAGE, "volumeattachments"),
      allow(READ, CORE, "namespaces"),
      allow(READ, STORAGE, "csidrivers"),
      allow(READ, STORAGE, "csistoragecapacities"),
      allow(READ, RESOURCE, "deviceclasses"),
      allow("get list patch update watch", RESOURCE, "resourceclaims"),
      allow("get list patch update watch", RESOURCE, "resourceclaims/status"),
      allow("update", CORE, "pods/finalizers"),
      allow(READ, RESOURCE, "resourceslices"),
      allow("create delete", RESOURCE, "resourceclaims"),
      allow("patch update", RESOURCE, "resourceclaims/binding"),
    ],
  },
  {
    name: "system:kubelet-api-admin",
    rules: [
      allow(READ, CORE, "nodes"),
      allow("proxy", CORE, "nodes"),
      allow("*", CORE, "nodes/log nodes/metrics nodes/proxy nodes/stats"),
      allow("*", CORE, "nodes/configz nodes/healthz nodes/pods"),
    ],
  },
  {
    name: "system:node-bootstrapper",
    rules: [allow("create get list watch", CERTIFICATES, "certificatesigningrequests")],
  },
  {
    name: "system:node-problem-detector",
    rules: [
      allow("get", CORE, "nodes"),
      allow("patch", CORE, "nodes/status"),
      EVENTS,
    ],
  },
  {
    name: "system:node-proxier",
    rules: [
      allow("list watch", CORE, "endpoints services"),
      allow(READ, CORE, "nodes"),
      EVENTS,
      allow("list watch", NETWORKING, "servicecidrs"),
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
      EVENTS,
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
  { name: "system:node", rules: NODE_RULES },
  ...certificateRoles(),
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
