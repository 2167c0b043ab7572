import type {
  ControllerRevision,
  DaemonSet,
  Deployment,
  ReplicaSet,
  StatefulSet,
} from "@raft2kube/api/gen/apps/v1.ts";
import type { HorizontalPodAutoscaler } from "@raft2kube/api/gen/autoscaling/v2.ts";
import type { CronJob, Job } from "@raft2kube/api/gen/batch/v1.ts";
import type { CertificateSigningRequest } from "@raft2kube/api/gen/certificates/v1.ts";
import type { Lease } from "@raft2kube/api/gen/coordination/v1.ts";
import type {
  ConfigMap,
  Endpoints,
  Event,
  Namespace,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  ReplicationController,
  ResourceQuota,
  Secret,
  Service,
  ServiceAccount,
} from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import type { PodMetrics } from "@raft2kube/api/gen/metrics/v1beta1.ts";
import type {
  Ingress,
  IngressClass,
  IPAddress,
  NetworkPolicy,
  ServiceCIDR,
} from "@raft2kube/api/gen/networking/v1.ts";
import type { RuntimeClass } from "@raft2kube/api/gen/node/v1.ts";
import type { PodDisruptionBudget } from "@raft2kube/api/gen/policy/v1.ts";
import type { ClusterRole, ClusterRoleBinding } from "@raft2kube/api/gen/rbac/v1.ts";
import type { ResourceClaim } from "@raft2kube/api/gen/resource/v1.ts";
import type {
  CSIDriver,
  CSINode,
  CSIStorageCapacity,
  StorageClass,
  VolumeAttachment,
  VolumeAttributesClass,
} from "@raft2kube/api/gen/storage/v1.ts";
import type { KubeObject } from "../object/object.ts";
import type { ResourceType } from "./resource.ts";

/** Returns a kind's plural in paths, by upstream's rule (meta.UnsafeGuessKindToResource). */
function pluralOf(kind: string): string {
  const one = kind.toLowerCase();
  if (one === "endpoints") return one;
  if (one.endsWith("s")) return `${one}es`;
  return one.endsWith("y") ? `${one.slice(0, -1)}ies` : `${one}s`;
}

function core<T extends KubeObject>(kind: string, namespaced = true): ResourceType<T> {
  return { group: "", version: "v1", plural: pluralOf(kind), namespaced, kind };
}

const grouped = <T extends KubeObject>(
  group: string,
  kind: string,
  namespaced = true,
): ResourceType<T> => ({ group, version: "v1", plural: pluralOf(kind), namespaced, kind });

export const PODS = core<Pod>("Pod");
export const SERVICES = core<Service>("Service");
export const ENDPOINTS = core<Endpoints>("Endpoints");
export const CONFIG_MAPS = core<ConfigMap>("ConfigMap");
export const SECRETS = core<Secret>("Secret");
export const SERVICE_ACCOUNTS = core<ServiceAccount>("ServiceAccount");
export const EVENTS = core<Event>("Event");
export const PERSISTENT_VOLUME_CLAIMS = core<PersistentVolumeClaim>("PersistentVolumeClaim");
export const PERSISTENT_VOLUMES = core<PersistentVolume>("PersistentVolume", false);
export const REPLICATION_CONTROLLERS = core<ReplicationController>("ReplicationController");
export const RESOURCE_QUOTAS = core<ResourceQuota>("ResourceQuota");
export const NODES = core<Node>("Node", false);
export const NAMESPACES = core<Namespace>("Namespace", false);

export const DEPLOYMENTS = grouped<Deployment>("apps", "Deployment");
export const REPLICA_SETS = grouped<ReplicaSet>("apps", "ReplicaSet");
export const DAEMON_SETS = grouped<DaemonSet>("apps", "DaemonSet");
export const STATEFUL_SETS = grouped<StatefulSet>("apps", "StatefulSet");
export const CONTROLLER_REVISIONS = grouped<ControllerRevision>("apps", "ControllerRevision");
export const POD_DISRUPTION_BUDGETS = grouped<PodDisruptionBudget>("policy", "PodDisruptionBudget");
export const HORIZONTAL_POD_AUTOSCALERS: ResourceType<HorizontalPodAutoscaler> = {
  ...grouped<HorizontalPodAutoscaler>("autoscaling", "HorizontalPodAutoscaler"),
  version: "v2",
};
export const POD_METRICS: ResourceType<PodMetrics> = {
  ...grouped<PodMetrics>("metrics.k8s.io", "PodMetrics"),
  version: "v1beta1",
  plural: "pods",
};
export const NETWORK_POLICIES = grouped<NetworkPolicy>("networking.k8s.io", "NetworkPolicy");
export const INGRESSES = grouped<Ingress>("networking.k8s.io", "Ingress");
export const INGRESS_CLASSES = grouped<IngressClass>("networking.k8s.io", "IngressClass", false);
export const LEASES = grouped<Lease>("coordination.k8s.io", "Lease");
export const ENDPOINT_SLICES = grouped<EndpointSlice>("discovery.k8s.io", "EndpointSlice");
export const SERVICE_CIDRS = grouped<ServiceCIDR>("networking.k8s.io", "ServiceCIDR", false);
export const IP_ADDRESSES = grouped<IPAddress>("networking.k8s.io", "IPAddress", false);
export const STORAGE_CLASSES = grouped<StorageClass>("storage.k8s.io", "StorageClass", false);
export const VOLUME_ATTRIBUTES_CLASSES = grouped<VolumeAttributesClass>(
  "storage.k8s.io",
  "VolumeAttributesClass",
  false,
);
export const CSI_NODES = grouped<CSINode>("storage.k8s.io", "CSINode", false);
export const CSI_DRIVERS = grouped<CSIDriver>("storage.k8s.io", "CSIDriver", false);
export const CSI_STORAGE_CAPACITIES = grouped<CSIStorageCapacity>(
  "storage.k8s.io",
  "CSIStorageCapacity",
);
export const VOLUME_ATTACHMENTS = grouped<VolumeAttachment>(
  "storage.k8s.io",
  "VolumeAttachment",
  false,
);
/** Custom resources, whose types are their users', which upstream's external-snapshotter defines. */
export const VOLUME_SNAPSHOTS = grouped<never>("snapshot.storage.k8s.io", "VolumeSnapshot");
export const VOLUME_SNAPSHOT_CONTENTS = grouped<never>(
  "snapshot.storage.k8s.io",
  "VolumeSnapshotContent",
  false,
);
export const RESOURCE_CLAIMS = grouped<ResourceClaim>("resource.k8s.io", "ResourceClaim");
export const CERTIFICATE_SIGNING_REQUESTS = grouped<CertificateSigningRequest>(
  "certificates.k8s.io",
  "CertificateSigningRequest",
  false,
);
export const CLUSTER_ROLES = grouped<ClusterRole>(
  "rbac.authorization.k8s.io",
  "ClusterRole",
  false,
);
export const CLUSTER_ROLE_BINDINGS = grouped<ClusterRoleBinding>(
  "rbac.authorization.k8s.io",
  "ClusterRoleBinding",
  false,
);
export const RUNTIME_CLASSES = grouped<RuntimeClass>("node.k8s.io", "RuntimeClass", false);
export const JOBS = grouped<Job>("batch", "Job");
export const CRON_JOBS = grouped<CronJob>("batch", "CronJob");
