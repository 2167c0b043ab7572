import type { PolicyRule } from "@raft2kube/api/gen/rbac/v1.ts";
import {
  allow, allowNamed, APPS, BATCH, CERTIFICATES, CORE, DISCOVERY, EVENTS, NETWORKING, POLICY,
  type PolicyRole, RBAC, READ, RESOURCE, STORAGE,
} from "./policy.ts";

const EDIT = "create delete get list patch update watch";
const CSR = "certificatesigningrequests";

/** What each controller may do under its own service account (upstream's controller_policy). */
const RULES: Readonly<Record<string, readonly PolicyRule[]>> = {
  "attachdetach-controller": [
    allow("list watch", CORE, "persistentvolumeclaims persistentvolumes"),
    allow(READ, CORE, "nodes"),
    allow("get list watch", CORE, "pods"),
    allow("patch update", CORE, "nodes/status"),
    allow("create delete get list watch", STORAGE, "volumeattachments"),
    allow(READ, STORAGE, "csidrivers csinodes"),
    ...EVENTS,
  ],
  "certificate-controller": [
    allow("delete get list watch", CERTIFICATES, CSR),
    allow("update", CERTIFICATES, `${CSR}/approval ${CSR}/status`),
    allowNamed("approve", CERTIFICATES, "signers", "kubernetes.io/kube-apiserver-client-kubelet"),
    allowNamed("sign", CERTIFICATES, "signers",
      "kubernetes.io/legacy-unknown kubernetes.io/kubelet-serving " +
        "kubernetes.io/kube-apiserver-client kubernetes.io/kube-apiserver-client-kubelet"),
    allow("create", "authorization.k8s.io", "subjectaccessreviews"),
    ...EVENTS,
  ],
  "clusterrole-aggregation-controller": [
    allow("escalate get list patch update watch", RBAC, "clusterroles"),
  ],
  "cronjob-controller": [
    allow("get list update watch", BATCH, "cronjobs"),
    allow(EDIT, BATCH, "jobs"),
    allow("update", BATCH, "cronjobs/finalizers cronjobs/status"),
    allow("delete list", CORE, "pods"),
    ...EVENTS,
  ],
  "daemon-set-controller": [
    allow(READ, APPS, "daemonsets"),
    allow("update", APPS, "daemonsets/finalizers daemonsets/status"),
    allow("list watch", CORE, "nodes"),
    allow("create delete list patch watch", CORE, "pods"),
    allow("create", CORE, "pods/binding"),
    allow("create delete get list patch update watch", APPS, "controllerrevisions"),
    ...EVENTS,
  ],
  "deployment-controller": [
    allow("get list update watch", APPS, "deployments"),
    allow("update", APPS, "deployments/finalizers deployments/status"),
    allow(EDIT, APPS, "replicasets"),
    allow("get list update watch", CORE, "pods"),
    ...EVENTS,
  ],
  "disruption-controller": [
    allow("get list watch", APPS, "deployments replicasets statefulsets"),
    allow("get list watch", CORE, "replicationcontrollers"),
    allow(READ, POLICY, "poddisruptionbudgets"),
    allow("update", POLICY, "poddisruptionbudgets/status"),
    allow("get list watch", CORE, "pods"),
    allow("patch update", CORE, "pods/status"),
    allow("get", "*", "*/scale"),
    ...EVENTS,
  ],
  "endpoint-controller": [
    allow(READ, CORE, "pods services"),
    allow("create delete get list update", CORE, "endpoints"),
    allow("watch", CORE, "endpoints"),
    allow("create", CORE, "endpoints/restricted"),
    ...EVENTS,
  ],
  "endpointslice-controller": [
    allow(READ, CORE, "nodes pods services"),
    allow("update", CORE, "services/finalizers"),
    allow("create delete get list update watch", DISCOVERY, "endpointslices"),
    allow("create", DISCOVERY, "endpointslices/restricted"),
    ...EVENTS,
  ],
  "endpointslicemirroring-controller": [
    allow(READ, CORE, "endpoints services"),
    allow("update", CORE, "endpoints/finalizers services/finalizers"),
    allow("create delete get list update watch", DISCOVERY, "endpointslices"),
    allow("create", DISCOVERY, "endpointslices/restricted"),
    ...EVENTS,
  ],
  "ephemeral-volume-controller": [
    allow(READ, CORE, "pods"),
    allow("update", CORE, "pods/finalizers"),
    allow("create get list watch", CORE, "persistentvolumeclaims"),
    ...EVENTS,
  ],
  "expand-controller": [
    allow("get list patch update watch", CORE, "persistentvolumes"),
    allow("get list watch", CORE, "persistentvolumeclaims"),
    allow("patch update", CORE, "persistentvolumeclaims/status"),
    allow(READ, STORAGE, "storageclasses"),
    ...EVENTS,
  ],
  "generic-garbage-collector": [allow("delete get list patch update watch", "*", "*"), ...EVENTS],
  "horizontal-pod-autoscaler": [
    allow(READ, "autoscaling", "horizontalpodautoscalers"),
    allow("update", "autoscaling", "horizontalpodautoscalers/status"),
    allow("get update", "*", "*/scale"),
    allow("list", CORE, "pods"),
    allow("list", "metrics.k8s.io", "pods"),
    allow("get list", "custom.metrics.k8s.io", "*"),
    allow("get list", "external.metrics.k8s.io", "*"),
    ...EVENTS,
  ],
  "job-controller": [
    allow("get list patch update watch", BATCH, "jobs"),
    allow("update", BATCH, "jobs/finalizers jobs/status"),
    allow("create delete list patch update watch", CORE, "pods"),
    ...EVENTS,
  ],
  "legacy-service-account-token-cleaner": [
    allowNamed("get", CORE, "configmaps", "kube-apiserver-legacy-service-account-token-tracking"),
    allow("delete patch", CORE, "secrets"),
  ],
  "namespace-controller": [
    allow("delete get list watch", CORE, "namespaces"),
    allow("update", CORE, "namespaces/finalize namespaces/status"),
    allow("delete deletecollection get list", "*", "*"),
  ],
  "node-controller": [
    allow("delete get list patch update", CORE, "nodes"),
    allow("watch", CORE, "nodes"),
    allow("patch update", CORE, "nodes/status"),
    allow("patch update", CORE, "pods/status"),
    allow("delete list patch", CORE, "pods"),
    allow("get list watch", CORE, "pods"),
    allow("get list watch", "coordination.k8s.io", "leases"),
    ...EVENTS,
  ],
  "persistent-volume-binder": [
    allow(EDIT, CORE, "persistentvolumes"),
    allow("patch update", CORE, "persistentvolumes/status"),
    allow("get list patch update watch", CORE, "persistentvolumeclaims"),
    allow("patch update", CORE, "persistentvolumeclaims/status"),
    allow("create delete get list watch", CORE, "pods"),
    allow(READ, STORAGE, "csidrivers csinodes storageclasses"),
    allow(READ, CORE, "nodes"),
    allow("create delete get update", CORE, "endpoints services"),
    allow("get list", CORE, "secrets"),
    ...EVENTS,
  ],
  "pod-garbage-collector": [
    allow("delete list watch", CORE, "pods"),
    allow("get list watch", CORE, "nodes"),
    allow("patch", CORE, "pods/status"),
  ],
  "pv-protection-controller": [
    allow("get list update watch", CORE, "persistentvolumes"),
    ...EVENTS,
  ],
  "pvc-protection-controller": [
    allow("get list update watch", CORE, "persistentvolumeclaims"),
    allow("get list watch", CORE, "pods"),
    ...EVENTS,
  ],
  "replicaset-controller": [
    allow("get list update watch", APPS, "replicasets"),
    allow("update", APPS, "replicasets/finalizers replicasets/status"),
    allow("create delete list patch watch", CORE, "pods"),
    ...EVENTS,
  ],
  "replication-controller": [
    allow("get list update watch", CORE, "replicationcontrollers"),
    allow("update", CORE, "replicationcontrollers/finalizers replicationcontrollers/status"),
    allow("create delete list patch watch", CORE, "pods"),
    ...EVENTS,
  ],
  "resource-claim-controller": [
    allow(READ, CORE, "pods"),
    allow("update", CORE, "pods/finalizers"),
    allow("create delete get list patch update watch", RESOURCE, "resourceclaims"),
    allow("get list watch", RESOURCE, "resourceclaimtemplates"),
    allow("patch update", RESOURCE, "resourceclaims/status"),
    allow("patch update", CORE, "pods/status"),
    ...EVENTS,
  ],
  "resourcequota-controller": [
    allow("list watch", "*", "*"),
    allow("update", CORE, "resourcequotas/status"),
    ...EVENTS,
  ],
  "root-ca-cert-publisher": [allow("create get list update watch", CORE, "configmaps"), ...EVENTS],
  "route-controller": [
    allow("list watch", CORE, "nodes"),
    allow("patch", CORE, "nodes/status"),
    ...EVENTS,
  ],
  "service-account-controller": [allow("create", CORE, "serviceaccounts"), ...EVENTS],
  "service-cidrs-controller": [
    allow("get list patch update watch", NETWORKING, "servicecidrs"),
    allow("patch update", NETWORKING, "servicecidrs/finalizers servicecidrs/status"),
    allow(READ, NETWORKING, "ipaddresses"),
    ...EVENTS,
  ],
  "service-controller": [
    allow("get list watch", CORE, "services"),
    allow("patch update", CORE, "services/status"),
    allow("list watch", CORE, "nodes"),
    ...EVENTS,
  ],
  "statefulset-controller": [
    allow("list watch", CORE, "pods"),
    allow("get list watch", APPS, "statefulsets"),
    allow("update", APPS, "statefulsets/finalizers statefulsets/status"),
    allow("create delete get patch update", CORE, "pods"),
    allow("create delete get list patch update watch", APPS, "controllerrevisions"),
    allow("create delete get list patch update watch", CORE, "persistentvolumeclaims"),
    ...EVENTS,
  ],
  "ttl-after-finished-controller": [allow("delete get list watch", BATCH, "jobs"), ...EVENTS],
  "ttl-controller": [allow("list patch update watch", CORE, "nodes"), ...EVENTS],
};

export const CONTROLLER_ROLES: readonly PolicyRole[] = Object.entries(RULES)
  .map(([name, rules]) => ({ name: `system:controller:${name}`, rules }));

/** The service accounts that the roles above are bound to. */
export const CONTROLLERS: readonly string[] = Object.keys(RULES);
