/** What a name within the cluster's domain is about (Kubernetes DNS specification 1.1.0). */
export type Subject =
  | { kind: "domain" }
  | { kind: "version" }
  /** `svc`, `pod`: there is something below, nothing at it. */
  | { kind: "branch" }
  | { kind: "namespace"; namespace: string }
  | { kind: "service"; namespace: string; service: string }
  /** `HOST.SERVICE.NAMESPACE.svc`: one endpoint of a headless Service. */
  | { kind: "endpoint"; namespace: string; service: string; host: string }
  /** `_PROTO.SERVICE.NAMESPACE.svc`: above named ports. */
  | { kind: "transport"; namespace: string; service: string; transport: string }
  | { kind: "port"; namespace: string; service: string; transport: string; port: string }
  /** `A-B-C-D.NAMESPACE.pod`. */
  | { kind: "pod"; namespace: string; address: string }
  | { kind: "nothing" };

const NOTHING: Subject = { kind: "nothing" };

/**
 * Reads a name, lower case and without the final dot, as of `domain`; undefined when it is not
 * below it.
 */
export function subjectOf(name: string, domain: string): Subject | undefined {
  if (name === domain) return { kind: "domain" };
  if (!name.endsWith(`.${domain}`)) return undefined;
  const labels = name.slice(0, -domain.length - 1).split(".").reverse();
  const [branch, namespace, third, fourth, fifth, ...more] = labels;
  if (branch === "dns-version" && namespace === undefined) return { kind: "version" };
  if ((branch !== "svc" && branch !== "pod") || more.length > 0) return NOTHING;
  if (namespace === undefined) return { kind: "branch" };
  if (third === undefined) return { kind: "namespace", namespace };
  if (branch === "pod") {
    const address = fourth === undefined ? addressOf(third) : undefined;
    return address === undefined ? NOTHING : { kind: "pod", namespace, address };
  }
  const service = third;
  if (fourth === undefined) return { kind: "service", namespace, service };
  if (!fourth.startsWith("_")) {
    return fifth === undefined ? { kind: "endpoint", namespace, service, host: fourth } : NOTHING;
  }
  const transport = fourth.slice(1);
  if (fifth === undefined) return { kind: "transport", namespace, service, transport };
  if (!fifth.startsWith("_")) return NOTHING;
  return { kind: "port", namespace, service, transport, port: fifth.slice(1) };
}

/** `10-1-2-3` as 10.1.2.3; undefined when it is no address. */
function addressOf(label: string): string | undefined {
  const octets = label.split("-");
  const valid = octets.length === 4 && octets.every((octet) => /^(0|[1-9]\d{0,2})$/.test(octet));
  return valid && octets.every((octet) => Number(octet) <= 255) ? octets.join(".") : undefined;
}

/** The address behind `3.2.1.10.in-addr.arpa`; undefined for any other name. */
export function reverseAddressOf(name: string): string | undefined {
  const suffix = ".in-addr.arpa";
  if (!name.endsWith(suffix)) return undefined;
  return addressOf(name.slice(0, -suffix.length).split(".").reverse().join("-"));
}

/** The label of an endpoint without a host name: `10-1-2-3`. */
export function labelOf(address: string): string {
  return address.replace(/[.:]/g, "-");
}
