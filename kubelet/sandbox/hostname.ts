import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { nameOf, namespaceOf } from "../pods/pod-identity.ts";

/** The longest label of DNS, and the kernel's longest host name. */
const HOSTNAME_LENGTH_MAX = 63;
const KERNEL_LENGTH_MAX = 64;

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

/**
 * Returns the host name that the kernel has: with setHostnameAsFQDN the full name. Throws
 * HOSTNAME_TOO_LONG when it takes no name that long (as upstream).
 */
export function kernelHostname(pod: Pod, names: PodNames): string {
  if (!pod.spec.setHostnameAsFQDN || !names.domain) return names.hostname;
  const full = `${names.hostname}.${names.domain}`;
  if (full.length <= KERNEL_LENGTH_MAX) return full;
  const lengths = `${KERNEL_LENGTH_MAX} characters is the max, ${full.length} requested`;
  const remedy = "shorten spec.hostname or spec.subdomain, or leave setHostnameAsFQDN out";
  throw new CodedError("HOSTNAME_TOO_LONG", `the FQDN ${full} is too long (${lengths}): ${remedy}`);
}
