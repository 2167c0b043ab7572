import { own } from "@raft2kube/std/own.ts";

/**
 * Kinds in API versions that are not served, which upstream's scheme knows all the same: an object
 * that says it is one of them is of the wrong version, not of no kind. From k8s.io/api's
 * `register.go` files at v0.36.
 */
const RETIRED: Readonly<Record<string, string>> = {
  "admissionregistration.k8s.io/v1alpha1":
    "ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding MutatingAdmissionPolicy " +
    "MutatingAdmissionPolicyBinding",
  "admissionregistration.k8s.io/v1beta1":
    "ValidatingWebhookConfiguration MutatingWebhookConfiguration ValidatingAdmissionPolicy " +
    "ValidatingAdmissionPolicyBinding MutatingAdmissionPolicy MutatingAdmissionPolicyBinding",
  "apiextensions.k8s.io/v1beta1": "CustomResourceDefinition",
  "apps/v1beta1": "Deployment DeploymentRollback Scale StatefulSet ControllerRevision",
  "apps/v1beta2": "Deployment Scale StatefulSet DaemonSet ReplicaSet ControllerRevision",
  "authentication.k8s.io/v1alpha1": "SelfSubjectReview",
  "authentication.k8s.io/v1beta1": "SelfSubjectReview TokenReview",
  "authorization.k8s.io/v1beta1":
    "SelfSubjectRulesReview SelfSubjectAccessReview SubjectAccessReview LocalSubjectAccessReview",
  "batch/v1beta1": "CronJob",
  "certificates.k8s.io/v1beta1":
    "CertificateSigningRequest ClusterTrustBundle PodCertificateRequest",
  "coordination.k8s.io/v1beta1": "Lease LeaseCandidate",
  "discovery.k8s.io/v1beta1": "EndpointSlice",
  "events.k8s.io/v1beta1": "Event",
  "extensions/v1beta1":
    "Deployment DeploymentRollback Scale DaemonSet Ingress ReplicaSet NetworkPolicy",
  "flowcontrol.apiserver.k8s.io/v1beta1": "FlowSchema PriorityLevelConfiguration",
  "flowcontrol.apiserver.k8s.io/v1beta2": "FlowSchema PriorityLevelConfiguration",
  "flowcontrol.apiserver.k8s.io/v1beta3": "FlowSchema PriorityLevelConfiguration",
  "networking.k8s.io/v1beta1": "Ingress IngressClass IPAddress ServiceCIDR",
  "node.k8s.io/v1alpha1": "RuntimeClass",
  "node.k8s.io/v1beta1": "RuntimeClass",
  "policy/v1beta1": "PodDisruptionBudget Eviction",
  "rbac.authorization.k8s.io/v1alpha1": "Role RoleBinding ClusterRole ClusterRoleBinding",
  "rbac.authorization.k8s.io/v1beta1": "Role RoleBinding ClusterRole ClusterRoleBinding",
  "resource.k8s.io/v1beta1": "DeviceClass ResourceClaim ResourceClaimTemplate ResourceSlice",
  "resource.k8s.io/v1beta2":
    "DeviceClass DeviceTaintRule ResourceClaim ResourceClaimTemplate ResourceSlice",
  "scheduling.k8s.io/v1beta1": "PriorityClass",
  "storage.k8s.io/v1alpha1": "VolumeAttachment CSIStorageCapacity VolumeAttributesClass",
  "storage.k8s.io/v1beta1":
    "StorageClass VolumeAttachment CSIDriver CSINode CSIStorageCapacity VolumeAttributesClass",
};

/** Whether `apiVersion` had a kind of this name that is served in another version, or was. */
export const isRetired = (apiVersion: string, kind: string): boolean =>
  own(RETIRED, apiVersion)?.split(" ").includes(kind) ?? false;
