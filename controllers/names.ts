/** Controllers that run only when `--controllers` names them, as upstream's. */
export const OFF_BY_DEFAULT: readonly string[] = [
  "bootstrap-signer-controller",
  "token-cleaner-controller",
];

/** Upstream's controllers that do not exist here, and why. docs/DIVERGENCE.md shows the table. */
export const LEFT_OUT: Readonly<Record<string, string>> = {
  "cloud-node-lifecycle-controller": "a name alone upstream: it runs in cloud controller managers",
  "device-taint-eviction-controller": "devices are not allocated by claims yet",
  "kube-apiserver-serving-clustertrustbundle-publisher-controller":
    "ClusterTrustBundle is beta and off by default upstream",
  "node-route-controller": "a name alone upstream: it runs in cloud controller managers",
  "persistentvolume-expander-controller":
    "upstream's expands volumes of in-tree plugins; the drivers' resizers expand others",
  "podcertificaterequest-cleaner-controller":
    "PodCertificateRequest is beta and off by default upstream",
  "podgroup-protection-controller": "PodGroup is alpha",
  "resourceclaim-controller": "devices are not allocated by claims yet",
  "resourcepoolstatusrequest-controller": "ResourcePoolStatusRequest is alpha",
  "selinux-warning-controller": "SELinux labels are not applied; off by default upstream",
  "storage-version-migrator-controller":
    "StorageVersionMigration is beta and off by default upstream",
  "storageversion-garbage-collector-controller": "StorageVersion is alpha",
  "validatingadmissionpolicy-status-controller":
    "the API server checks policies itself, since it has their kinds",
};

/** Upstream's earlier names, by which command lines still call controllers. */
export const ALIASES: Readonly<Record<string, string>> = {
  attachdetach: "persistentvolume-attach-detach-controller",
  bootstrapsigner: "bootstrap-signer-controller",
  "cloud-node-lifecycle": "cloud-node-lifecycle-controller",
  "clusterrole-aggregation": "clusterrole-aggregation-controller",
  cronjob: "cronjob-controller",
  csrapproving: "certificatesigningrequest-approving-controller",
  csrcleaner: "certificatesigningrequest-cleaner-controller",
  csrsigning: "certificatesigningrequest-signing-controller",
  daemonset: "daemonset-controller",
  deployment: "deployment-controller",
  disruption: "disruption-controller",
  endpoint: "endpoints-controller",
  endpointslice: "endpointslice-controller",
  endpointslicemirroring: "endpointslice-mirroring-controller",
  "ephemeral-volume": "ephemeral-volume-controller",
  garbagecollector: "garbage-collector-controller",
  horizontalpodautoscaling: "horizontal-pod-autoscaler-controller",
  job: "job-controller",
  "legacy-service-account-token-cleaner": "legacy-serviceaccount-token-cleaner-controller",
  namespace: "namespace-controller",
  nodeipam: "node-ipam-controller",
  nodelifecycle: "node-lifecycle-controller",
  "persistentvolume-binder": "persistentvolume-binder-controller",
  "persistentvolume-expander": "persistentvolume-expander-controller",
  podgc: "pod-garbage-collector-controller",
  "pv-protection": "persistentvolume-protection-controller",
  "pvc-protection": "persistentvolumeclaim-protection-controller",
  replicaset: "replicaset-controller",
  replicationcontroller: "replicationcontroller-controller",
  "resource-claim-controller": "resourceclaim-controller",
  resourcequota: "resourcequota-controller",
  "root-ca-cert-publisher": "root-ca-certificate-publisher-controller",
  route: "node-route-controller",
  service: "service-lb-controller",
  serviceaccount: "serviceaccount-controller",
  "serviceaccount-token": "serviceaccount-token-controller",
  statefulset: "statefulset-controller",
  "storage-version-gc": "storageversion-garbage-collector-controller",
  svm: "storage-version-migrator-controller",
  tokencleaner: "token-cleaner-controller",
  ttl: "ttl-controller",
  "ttl-after-finished": "ttl-after-finished-controller",
};
