import {
  allow,
  allowNamed,
  COORDINATION,
  CORE,
  EVENTS,
  type PolicyRole,
  READ,
} from "../../authz/rbac/policy.ts";

/** Roles inside kube-system and kube-public (upstream's bootstrappolicy.NamespaceRoles). */
export const NAMESPACED_ROLES: readonly (PolicyRole & { namespace: string })[] = [
  {
    namespace: "kube-public",
    name: "system:controller:bootstrap-signer",
    rules: [
      allow(READ, CORE, "configmaps"),
      allowNamed("update", CORE, "configmaps", "cluster-info"),
      EVENTS,
    ],
  },
  {
    namespace: "kube-system",
    name: "extension-apiserver-authentication-reader",
    rules: [allowNamed(READ, CORE, "configmaps", "extension-apiserver-authentication")],
  },
  {
    namespace: "kube-system",
    name: "system::leader-locking-kube-controller-manager",
    rules: [
      allow("create get list update watch", COORDINATION, "leases"),
      allow("create get list update watch", COORDINATION, "leasecandidates"),
    ],
  },
  {
    namespace: "kube-system",
    name: "system::leader-locking-kube-scheduler",
    rules: [
      allow("create get list update watch", COORDINATION, "leases"),
      allow("create get list update watch", COORDINATION, "leasecandidates"),
    ],
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
    rules: [allow("delete get list watch", CORE, "secrets"), EVENTS],
  },
];
