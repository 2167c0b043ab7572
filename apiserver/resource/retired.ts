/**
 * Versions that Kubernetes no longer serves: the release in which each ended, and what serves its
 * kinds since; the kinds' names where others came to the version later (upstream: the guide to
 * deprecated APIs).
 */
const RETIRED: Readonly<Record<string, readonly [release: string, use: string, kinds?: RegExp]>> = {
  "apps/v1beta1": ["1.16", "apps/v1"],
  "apps/v1beta2": ["1.16", "apps/v1"],
  "extensions/v1beta1": ["1.22", "apps/v1 for workloads, networking.k8s.io/v1 for others"],
  "admissionregistration.k8s.io/v1beta1": ["1.22", "admissionregistration.k8s.io/v1", /webhook/],
  "apiextensions.k8s.io/v1beta1": ["1.22", "apiextensions.k8s.io/v1"],
  "apiregistration.k8s.io/v1beta1": ["1.22", "apiregistration.k8s.io/v1"],
  "authentication.k8s.io/v1beta1": ["1.22", "authentication.k8s.io/v1", /^tokenreviews$/],
  "authorization.k8s.io/v1beta1": ["1.22", "authorization.k8s.io/v1"],
  "certificates.k8s.io/v1beta1": ["1.22", "certificates.k8s.io/v1", /signingrequests$/],
  "coordination.k8s.io/v1beta1": ["1.22", "coordination.k8s.io/v1", /^leases$/],
  "networking.k8s.io/v1beta1": ["1.22", "networking.k8s.io/v1", /^ingress/],
  "rbac.authorization.k8s.io/v1beta1": ["1.22", "rbac.authorization.k8s.io/v1"],
  "scheduling.k8s.io/v1beta1": ["1.22", "scheduling.k8s.io/v1"],
  "storage.k8s.io/v1beta1": ["1.27", "storage.k8s.io/v1", /^csi|^storageclasses|attachments$/],
  "autoscaling/v2beta1": ["1.25", "autoscaling/v2"],
  "batch/v1beta1": ["1.25", "batch/v1"],
  "discovery.k8s.io/v1beta1": ["1.25", "discovery.k8s.io/v1"],
  "events.k8s.io/v1beta1": ["1.25", "events.k8s.io/v1"],
  "node.k8s.io/v1beta1": ["1.25", "node.k8s.io/v1"],
  "policy/v1beta1": ["1.25", "policy/v1; for PodSecurityPolicy the namespaces' labels"],
  "autoscaling/v2beta2": ["1.26", "autoscaling/v2"],
  "flowcontrol.apiserver.k8s.io/v1beta1": ["1.26", "flowcontrol.apiserver.k8s.io/v1"],
  "flowcontrol.apiserver.k8s.io/v1beta2": ["1.29", "flowcontrol.apiserver.k8s.io/v1"],
  "flowcontrol.apiserver.k8s.io/v1beta3": ["1.32", "flowcontrol.apiserver.k8s.io/v1"],
};

/**
 * Returns what to use in place of a version that Kubernetes retired, or of a kind in it; undefined
 * for any other.
 */
export function replacementOf(apiVersion: string, plural = ""): string | undefined {
  if (!Object.hasOwn(RETIRED, apiVersion)) return undefined;
  const [release, use, kinds] = RETIRED[apiVersion]!;
  if (kinds?.test(plural) === false) return undefined;
  const what = plural === "" ? apiVersion : `${plural} of ${apiVersion}`;
  return `${what} ended in Kubernetes ${release}: use ${use}`;
}
