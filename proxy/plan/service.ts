import ipaddr from "ipaddr.js";
import type { Service, ServicePort as ApiPort } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { AFFINITY_DEFAULT_S } from "../limits.ts";
import { endpointsOf } from "./endpoints.ts";
import type { ServicePlan, ServicePort, Transport } from "./model.ts";

const TRANSPORTS: Readonly<Record<string, Transport>> = { TCP: "tcp", UDP: "udp", SCTP: "sctp" };

/** Labels that exclude a Service or slice from this proxy (upstream). */
const OTHER_PROXY = "service.kubernetes.io/service-proxy-name";
const HEADLESS = "service.kubernetes.io/headless";

/** Whether the proxy serves a Service. */
function isProxied({ metadata, spec }: Service): boolean {
  if (spec.type === "ExternalName" || !spec.clusterIP || spec.clusterIP === "None") return false;
  return metadata.labels?.[OTHER_PROXY] === undefined && metadata.labels?.[HEADLESS] === undefined;
}

/** Returns the owner of an address that no Service may have as an external one, else undefined. */
export type Reservation = (address: string) => string | undefined;

/**
 * Returns the endpoints of a Service's ports for the node `nodeName`. External addresses that are
 * `reserved` are not served, and a problem. Pure.
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
      const owner = reserved(address);
      if (owner === undefined) return true;
      problems.push(`external address ${address} is not served: it is ${owner}`);
      return false;
    }),
  };
  const ports = (service.spec.ports ?? []).map((port): ServicePort => {
    const { name = "", protocol = "TCP" } = port;
    const endpoints = endpointsOf(slices, { name, protocol }, nodeName);
    problems.push(...endpoints.problems);
    const { allEndpoints, localEndpoints } = endpoints;
    return { ...portPlan(service, port), ...addresses, allEndpoints, localEndpoints };
  });
  return { ports, problems: [...new Set(problems)] };
}

type Addresses = "clusterIps" | "externalIps" | "allEndpoints" | "localEndpoints";

function portPlan({ metadata, spec }: Service, port: ApiPort): Omit<ServicePort, Addresses> {
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
    // Without the filter, clients would be admitted that the Service excludes.
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
