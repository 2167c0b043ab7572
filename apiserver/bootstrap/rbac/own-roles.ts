import {
  allow,
  APPS,
  COORDINATION,
  CORE,
  DISCOVERY,
  EVENTS,
  type PolicyRole,
  READ,
  STORAGE,
} from "../../authz/rbac/policy.ts";

/** Roles of what upstream does not have, or others bring along. */
export const OWN_ROLES: readonly PolicyRole[] = [
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
      EVENTS,
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
