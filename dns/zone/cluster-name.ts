/** A parsed name of the cluster's domain (Kubernetes DNS specification 1.1.0). */
export type ClusterName =
  | { kind: "domain" }
  | { kind: "version" }
  /** `svc` or `pod`: has names below it but no records. */
  | { kind: "subdomain" }
  | { kind: "namespace"; namespace: string }
  | { kind: "service"; namespace: string; service: string }
  /** `HOST.SERVICE.NAMESPACE.svc`: one endpoint of a headless Service. */
  | { kind: "endpoint"; namespace: string; service: string; host: string }
  /** `_PROTO.SERVICE.NAMESPACE.svc`: the parent of named ports. */
  | { kind: "transport"; namespace: string; service: string; transport: string }
  | { kind: "port"; namespace: string; service: string; transport: string; port: string }
  /** `A-B-C-D.NAMESPACE.pod`. */
  | { kind: "pod"; namespace: string; address: string }
  | { kind: "invalid" };

const INVALID: ClusterName = { kind: "invalid" };

/**
 * Parses a name in lower case without the final dot. Returns undefined if it is not below
 * `domain`.
 */
export function parseClusterName(name: string, domain: string): ClusterName | undefined {
  // lab:15 begin parse-cluster-name
  if (name === domain) return { kind: "domain" };
  if (!name.endsWith(`.${domain}`)) return undefined;
  const labels = name
    .slice(0, -domain.length - 1)
    .split(".")
    .reverse();
  const [branch, namespace, third, fourth, fifth, ...more] = labels;
  if (branch === "dns-version" && namespace === undefined) return { kind: "version" };
  if ((branch !== "svc" && branch !== "pod") || more.length > 0) return INVALID;
  if (namespace === undefined) return { kind: "subdomain" };
  if (third === undefined) return { kind: "namespace", namespace };
  if (branch === "pod") {
    const address = fourth === undefined ? addressOf(third) : undefined;
    return address === undefined ? INVALID : { kind: "pod", namespace, address };
  }
  const service = third;
  if (fourth === undefined) return { kind: "service", namespace, service };
  if (!fourth.startsWith("_")) {
    return fifth === undefined ? { kind: "endpoint", namespace, service, host: fourth } : INVALID;
  }
  const transport = fourth.slice(1);
  if (fifth === undefined) return { kind: "transport", namespace, service, transport };
  if (!fifth.startsWith("_")) return INVALID;
  return { kind: "port", namespace, service, transport, port: fifth.slice(1) };
  // lab:15 end
}

/** Parses `10-1-2-3` as 10.1.2.3; undefined if it is not an IPv4 address. */
function addressOf(label: string): string | undefined {
  // lab:15 begin address-of
  const octets = label.split("-");
  const valid = octets.length === 4 && octets.every((octet) => /^(0|[1-9]\d{0,2})$/.test(octet));
  return valid && octets.every((octet) => Number(octet) <= 255) ? octets.join(".") : undefined;
  // lab:15 end
}

/** Returns the address of `3.2.1.10.in-addr.arpa`; undefined for any other name. */
export function reverseAddressOf(name: string): string | undefined {
  const suffix = ".in-addr.arpa";
  if (!name.endsWith(suffix)) return undefined;
  return addressOf(name.slice(0, -suffix.length).split(".").reverse().join("-"));
}

/** Returns the label of an endpoint without a host name: `10-1-2-3`. */
export const labelOf = (address: string): string => address.replace(/[.:]/g, "-");
