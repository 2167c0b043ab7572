import type { ResourceType } from "./resource.ts";

/** Returns a kind's plural in paths, by upstream's rule (meta.UnsafeGuessKindToResource). */
function pluralOf(kind: string): string {
  const one = kind.toLowerCase();
  if (one === "endpoints") return one;
  if (one.endsWith("s")) return `${one}es`;
  return one.endsWith("y") ? `${one.slice(0, -1)}ies` : `${one}s`;
}

function core(kind: string, namespaced = true): ResourceType {
  return { group: "", version: "v1", plural: pluralOf(kind), namespaced, kind };
}

function grouped(group: string, kind: string, namespaced = true): ResourceType {
  return { group, version: "v1", plural: pluralOf(kind), namespaced, kind };
}

export const PODS = core("Pod");
export const SERVICES = core("Service");
export const ENDPOINTS = core("Endpoints");
export const CONFIG_MAPS = core("ConfigMap");
export const SECRETS = core("Secret");
export const SERVICE_ACCOUNTS = core("ServiceAccount");
export const EVENTS = core("Event");
export const PERSISTENT_VOLUME_CLAIMS = core("PersistentVolumeClaim");
export const PERSISTENT_VOLUMES = core("PersistentVolume", false);
export const REPLICATION_CONTROLLERS = core("ReplicationController");
export const NODES = core("Node", false);
export const NAMESPACES = core("Namespace", false);

export const DEPLOYMENTS = grouped("apps", "Deployment");
export const REPLICA_SETS = grouped("apps", "ReplicaSet");
export const DAEMON_SETS = grouped("apps", "DaemonSet");
export const STATEFUL_SETS = grouped("apps", "StatefulSet");
export const CONTROLLER_REVISIONS = grouped("apps", "ControllerRevision");
export const POD_DISRUPTION_BUDGETS = grouped("policy", "PodDisruptionBudget");
export const HORIZONTAL_POD_AUTOSCALERS: ResourceType = {
  ...grouped("autoscaling", "HorizontalPodAutoscaler"),
  version: "v2",
};
export const POD_METRICS: ResourceType = {
  ...grouped("metrics.k8s.io", "PodMetrics"),
  version: "v1beta1",
  plural: "pods",
};
export const NETWORK_POLICIES = grouped("networking.k8s.io", "NetworkPolicy");
export const INGRESSES = grouped("networking.k8s.io", "Ingress");
export const INGRESS_CLASSES = grouped("networking.k8s.io", "IngressClass", false);
export const LEASES = grouped("coordination.k8s.io", "Lease");
export const ENDPOINT_SLICES = grouped("discovery.k8s.io", "EndpointSlice");
export const SERVICE_CIDRS = grouped("networking.k8s.io", "ServiceCIDR", false);
export const IP_ADDRESSES = grouped("networking.k8s.io", "IPAddress", false);
export const STORAGE_CLASSES = grouped("storage.k8s.io", "StorageClass", false);
export const VOLUME_ATTRIBUTES_CLASSES = grouped("storage.k8s.io", "VolumeAttributesClass", false);
export const CSI_NODES = grouped("storage.k8s.io", "CSINode", false);
export const CSI_DRIVERS = grouped("storage.k8s.io", "CSIDriver", false);
export const CSI_STORAGE_CAPACITIES = grouped("storage.k8s.io", "CSIStorageCapacity");
export const VOLUME_ATTACHMENTS = grouped("storage.k8s.io", "VolumeAttachment", false);
/** Custom resources, which upstream's external-snapshotter defines. */
export const VOLUME_SNAPSHOTS = grouped("snapshot.storage.k8s.io", "VolumeSnapshot");
export const VOLUME_SNAPSHOT_CONTENTS = grouped(
  "snapshot.storage.k8s.io",
  "VolumeSnapshotContent",
  false,
);
export const RESOURCE_CLAIMS = grouped("resource.k8s.io", "ResourceClaim");
export const CERTIFICATE_SIGNING_REQUESTS = grouped(
  "certificates.k8s.io",
  "CertificateSigningRequest",
  false,
);
export const CLUSTER_ROLES = grouped("rbac.authorization.k8s.io", "ClusterRole", false);
export const JOBS = grouped("batch", "Job");
export const CRON_JOBS = grouped("batch", "CronJob");
