import ipaddr from "ipaddr.js";
import type { Service, ServicePort as ApiPort } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { AFFINITY_DEFAULT_S } from "../limits.ts";
import { endpointsOf } from "./endpoints.ts";
import type { ServicePlan, ServicePort, Transport } from "./model.ts";

const TRANSPORTS: Readonly<Record<string, Transport>> = { TCP: "tcp", UDP: "udp", SCTP: "sctp" };

/** Labels by which a Service or slice says that this proxy is not to serve it (upstream). */
const OTHER_PROXY = "service.kubernetes.io/service-proxy-name";
const HEADLESS = "service.kubernetes.io/headless";

/** Whether the proxy has anything to do for a Service. */
function isProxied({ metadata, spec }: Service): boolean {
  if (spec.type === "ExternalName" || !spec.clusterIP || spec.clusterIP === "None") return false;
  return metadata.labels?.[OTHER_PROXY] === undefined && metadata.labels?.[HEADLESS] === undefined;
}

/** What an address is that no Service may have as an external one; undefined: a Service may. */
export type Reservation = (address: string) => string | undefined;

/**
 * Decides what a Service's ports lead to, as seen from `nodeName`. External addresses that are
 * `reserved` are a problem of the Service and not served. Pure.
 */
export function planService(
  service: Service,
  slices: readonly EndpointSlice[],
  nodeName: string,
  reserved: Reservation = () => undefined,
): ServicePlan {
  if (!isProxied(service)) return { ports: [], problems: [] };
  const problems: string[] = [];
  const addresses = {
    clusterIps: onlyIpv4(service.spec.clusterIPs ?? [service.spec.clusterIP ?? ""], problems),
    externalIps: onlyIpv4(externalAddresses(service, problems), problems).filter((address) => {
      const whose = reserved(address);
      if (whose === undefined) return true;
      problems.push(`external address ${address} is not served: it is ${whose}`);
      return false;
    }),
  };
  const ports = (service.spec.ports ?? []).map((port): ServicePort => {
    const { name = "", protocol = "TCP" } = port;
    const endpoints = endpointsOf(slices, { name, protocol }, nodeName);
    problems.push(...endpoints.problems);
    const { everywhere, here } = endpoints;
    return { ...portPlan(service, port), ...addresses, everywhere, here };
  });
  return { ports, problems: [...new Set(problems)] };
}

type Fixed = Omit<ServicePort, "clusterIps" | "externalIps" | "everywhere" | "here">;

function portPlan({ metadata, spec }: Service, port: ApiPort): Fixed {
  const { name = "", protocol = "TCP" } = port;
  const affinity = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? AFFINITY_DEFAULT_S;
  return {
    key: `${metadata.namespace}/${metadata.name}:${name}/${protocol}`,
    transport: TRANSPORTS[protocol] ?? "tcp",
    port: port.port,
    nodePort: port.nodePort || undefined,
    affinity_s: spec.sessionAffinity === "ClientIP" ? affinity : undefined,
    internalLocal: spec.internalTrafficPolicy === "Local",
    externalLocal: spec.externalTrafficPolicy === "Local",
    ofApi: metadata.namespace === "default" && metadata.name === "kubernetes",
  };
}

function externalAddresses({ spec, status }: Service, problems: string[]): string[] {
  const ingress = spec.type === "LoadBalancer" ? (status?.loadBalancer?.ingress ?? []) : [];
  const balanced = ingress
    .filter(({ ipMode }) => ipMode === undefined || ipMode === "VIP")
    .flatMap(({ ip }) => (ip ? [ip] : []));
  if (balanced.length > 0 && spec.loadBalancerSourceRanges?.length) {
    // Serving it without the filter would open what the user wanted closed.
    problems.push("loadBalancerSourceRanges is not supported: load balancer addresses not served");
    return spec.externalIPs ?? [];
  }
  return [...(spec.externalIPs ?? []), ...balanced];
}

function onlyIpv4(addresses: string[], problems: string[]): string[] {
  return [...new Set(addresses)].filter((address) => {
    if (ipaddr.IPv4.isValidFourPartDecimal(address)) return true;
    problems.push(`address ${address} is not served: only IPv4 is`);
    return false;
  });
}
