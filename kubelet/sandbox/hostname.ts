import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { nameOf, namespaceOf } from "../pods/pod-identity.ts";

/** Longest host name the kernel and DNS labels take. */
const HOSTNAME_LENGTH_MAX = 63;

export interface PodNames {
  hostname: string;
  /** `SUBDOMAIN.NAMESPACE.svc.DOMAIN`, or empty. */
  domain: string;
}

/** Returns the pod's host name and domain: spec.hostname or the pod's name, and spec.subdomain. */
export function podNames(pod: Pod, clusterDomain: string): PodNames {
  const override = pod.spec.hostnameOverride;
  if (override) return { hostname: override, domain: "" };
  const wanted = pod.spec.hostname ?? nameOf(pod);
  const hostname = wanted.slice(0, HOSTNAME_LENGTH_MAX).replace(/[-.]+$/, "");
  const subdomain = pod.spec.subdomain;
  if (!subdomain) return { hostname, domain: "" };
  return { hostname, domain: `${subdomain}.${namespaceOf(pod)}.svc.${clusterDomain}` };
}

/** Returns the host name that the kernel has: with setHostnameAsFQDN the full name. */
export function kernelHostname(pod: Pod, names: PodNames): string {
  if (!pod.spec.setHostnameAsFQDN || !names.domain) return names.hostname;
  return `${names.hostname}.${names.domain}`;
}
