/** A DNS subdomain: lower-case labels joined by dots. */
const DOMAIN = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/;
const NAME = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;

/**
 * Whether a resource name may be a device plugin's: `domain/name`, outside Kubernetes' own domain
 * and not a quota's name (upstream's rule for extended resources).
 */
export function isExtendedResource(resource: string): boolean {
  const slash = resource.indexOf("/");
  if (slash <= 0) return false;
  const domain = resource.slice(0, slash);
  const name = resource.slice(slash + 1);
  if (domain === "kubernetes.io" || domain.endsWith(".kubernetes.io")) return false;
  if (resource.startsWith("requests.")) return false;
  return domain.length <= 253 && DOMAIN.test(domain) && NAME.test(name);
}
