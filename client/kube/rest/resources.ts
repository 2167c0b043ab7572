import type { ResourceType } from "./resource.ts";

function core(kind: string, plural: string, namespaced = true): ResourceType {
  return { group: "", version: "v1", plural, namespaced, kind };
}

function grouped(group: string, kind: string, plural: string, namespaced = true): ResourceType {
  return { group, version: "v1", plural, namespaced, kind };
}

export const PODS = core("Pod", "pods");
export const SERVICES = core("Service", "services");
export const ENDPOINTS = core("Endpoints", "endpoints");
export const CONFIG_MAPS = core("ConfigMap", "configmaps");
export const SECRETS = core("Secret", "secrets");
export const SERVICE_ACCOUNTS = core("ServiceAccount", "serviceaccounts");
export const EVENTS = core("Event", "events");
export const PERSISTENT_VOLUME_CLAIMS = core("PersistentVolumeClaim", "persistentvolumeclaims");
export const PERSISTENT_VOLUMES = core("PersistentVolume", "persistentvolumes", false);
export const REPLICATION_CONTROLLERS = core("ReplicationController", "replicationcontrollers");
export const NODES = core("Node", "nodes", false);
export const NAMESPACES = core("Namespace", "namespaces", false);

export const DEPLOYMENTS = grouped("apps", "Deployment", "deployments");
export const REPLICA_SETS = grouped("apps", "ReplicaSet", "replicasets");
export const DAEMON_SETS = grouped("apps", "DaemonSet", "daemonsets");
export const STATEFUL_SETS = grouped("apps", "StatefulSet", "statefulsets");
export const CONTROLLER_REVISIONS = grouped("apps", "ControllerRevision", "controllerrevisions");
export const POD_DISRUPTION_BUDGETS = grouped(
  "policy",
  "PodDisruptionBudget",
  "poddisruptionbudgets",
);
export const HORIZONTAL_POD_AUTOSCALERS: ResourceType = {
  ...grouped("autoscaling", "HorizontalPodAutoscaler", "horizontalpodautoscalers"),
  version: "v2",
};
export const POD_METRICS: ResourceType = {
  ...grouped("metrics.k8s.io", "PodMetrics", "pods"),
  version: "v1beta1",
};
export const NETWORK_POLICIES = grouped("networking.k8s.io", "NetworkPolicy", "networkpolicies");
export const INGRESSES = grouped("networking.k8s.io", "Ingress", "ingresses");
export const INGRESS_CLASSES = grouped(
  "networking.k8s.io",
  "IngressClass",
  "ingressclasses",
  false,
);
export const LEASES = grouped("coordination.k8s.io", "Lease", "leases");
export const ENDPOINT_SLICES = grouped("discovery.k8s.io", "EndpointSlice", "endpointslices");
export const SERVICE_CIDRS = grouped("networking.k8s.io", "ServiceCIDR", "servicecidrs", false);
export const IP_ADDRESSES = grouped("networking.k8s.io", "IPAddress", "ipaddresses", false);
export const STORAGE_CLASSES = grouped("storage.k8s.io", "StorageClass", "storageclasses", false);
export const VOLUME_ATTRIBUTES_CLASSES = grouped(
  "storage.k8s.io",
  "VolumeAttributesClass",
  "volumeattributesclasses",
  false,
);
export const CSI_NODES = grouped("storage.k8s.io", "CSINode", "csinodes", false);
export const CSI_DRIVERS = grouped("storage.k8s.io", "CSIDriver", "csidrivers", false);
export const CSI_STORAGE_CAPACITIES = grouped(
  "storage.k8s.io",
  "CSIStorageCapacity",
  "csistoragecapacities",
);
export const VOLUME_ATTACHMENTS = grouped(
  "storage.k8s.io",
  "VolumeAttachment",
  "volumeattachments",
  false,
);
/** Custom resources, which upstream's external-snapshotter defines. */
export const VOLUME_SNAPSHOTS = grouped(
  "snapshot.storage.k8s.io",
  "VolumeSnapshot",
  "volumesnapshots",
);
export const VOLUME_SNAPSHOT_CONTENTS = grouped(
  "snapshot.storage.k8s.io",
  "VolumeSnapshotContent",
  "volumesnapshotcontents",
  false,
);
export const RESOURCE_CLAIMS = grouped("resource.k8s.io", "ResourceClaim", "resourceclaims");
export const CERTIFICATE_SIGNING_REQUESTS = grouped(
  "certificates.k8s.io",
  "CertificateSigningRequest",
  "certificatesigningrequests",
  false,
);
export const CLUSTER_ROLES = grouped(
  "rbac.authorization.k8s.io",
  "ClusterRole",
  "clusterroles",
  false,
);
export const JOBS = grouped("batch", "Job", "jobs");
export const CRON_JOBS = grouped("batch", "CronJob", "cronjobs");
