import { isIPv4 } from "node:net";
import type { ServicePort as ApiPort, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import ipaddr from "ipaddr.js";
import { AFFINITY_DEFAULT_S, SOURCE_RANGES_MAX } from "../limits.ts";
import { endpointsOf, portNumbers } from "./endpoints.ts";
import type { HealthCheck, ServicePlan, ServicePort, Transport } from "./model.ts";

const TRANSPORTS: Readonly<Record<string, Transport>> = { TCP: "tcp", UDP: "udp", SCTP: "sctp" };

/** Whether a Service has an address of its own. */
function isProxied({ spec }: Service): boolean {
  return spec.type !== "ExternalName" && !!spec.clusterIP && spec.clusterIP !== "None";
}

/** Returns the owner of an address that no Service may have as an external one, else undefined. */
export type Reservation = (address: string) => string | undefined;

/** Bounds of a Service that others set. */
interface Admission {
  reserved?: Reservation;
  /** Whether a port may be served, beside those before it. */
  admits?(port: ServicePort): boolean;
}

/**
 * Returns the endpoints of a Service's ports for the node `nodeName` in `zone` (empty: in none),
 * one step for each port: a hundred ports of a thousand endpoints are much. External addresses that
 * are `reserved` are not served, and a problem; so are the ports from one on that `admits` refuses.
 * Pure, but for `admits`.
 */
export function* planService(
  service: Service,
  slices: readonly EndpointSlice[],
  nodeName: string,
  { reserved = () => undefined, admits = () => true }: Admission = {},
  zone = "",
): Generator<void, ServicePlan> {
  if (!isProxied(service)) return { ports: [], problems: [] };
  const problems = new Set<string>();
  const admitted = (addresses: string[]) =>
    onlyIpv4(addresses, problems).filter((address) => {
      const owner = reserved(address);
      if (owner === undefined) return true;
      problems.add(`external address ${address} is not served: it is ${owner}`);
      return false;
    });
  const balanced = admitted(loadBalancerAddresses(service));
  const addresses = {
    clusterIps: onlyIpv4(service.spec.clusterIPs ?? [service.spec.clusterIP ?? ""], problems),
    externalIps: [...new Set([...admitted(service.spec.externalIPs ?? []), ...balanced])],
    firewall: firewallOf(service, balanced, problems),
  };
  const ports: ServicePort[] = [];
  const numbers = slices.map(portNumbers);
  for (const port of service.spec.ports ?? []) {
    const { name = "", protocol = "TCP" } = port;
    const found = endpointsOf(slices, { name, protocol }, { nodeName, zone }, numbers);
    const { problems: ignored, ...targets } = found;
    for (const problem of ignored) problems.add(problem);
    const api = isApi(service) ? targets.allEndpoints : [];
    const apiAddresses = api.map(({ address }) => address);
    const planned = { ...planServicePort(service, port), ...addresses, apiAddresses, ...targets };
    if (!admits(planned)) {
      const which = `port ${name || port.port} and those after it`;
      problems.add(`${which} are not served: the namespace has its part of the rules`);
      break;
    }
    ports.push(planned);
    yield;
  }
  const isWhole = ports.length === (service.spec.ports ?? []).length;
  // A balancer is to send nothing to a node that lacks some of the rules.
  const healthCheck = healthCheckOf(service, isWhole ? slices : [], nodeName);
  const plan = { ports, problems: [...problems] };
  return healthCheck ? { ...plan, healthCheck } : plan;
}

const isApi = ({ metadata }: Service) =>
  metadata.namespace === "default" && metadata.name === "kubernetes";

type Addresses =
  | "clusterIps"
  | "externalIps"
  | "firewall"
  | "apiAddresses"
  | "allEndpoints"
  | "localEndpoints"
  | "unplacedEndpoints"
  | "keptEndpoints";

/** Plans one port of a Service, its node port included; addresses and endpoints are added to it. */
function planServicePort({ metadata, spec }: Service, port: ApiPort): Omit<ServicePort, Addresses> {
  const { name = "", protocol = "TCP" } = port;
  return {
    key: `${metadata.namespace}/${metadata.name}:${name}/${protocol}`,
    transport: TRANSPORTS[protocol] ?? "tcp",
    port: port.port,
    nodePort: port.nodePort || undefined,
    affinity_s: affinityOf(spec),
    internalLocal: spec.internalTrafficPolicy === "Local",
    externalLocal: spec.externalTrafficPolicy === "Local",
  };
}

/** The timeout of a Service's session affinity; undefined: it has none. */
export const affinityOf = ({ sessionAffinity, sessionAffinityConfig }: Service["spec"]) =>
  sessionAffinity === "ClientIP"
    ? (sessionAffinityConfig?.clientIP?.timeoutSeconds ?? AFFINITY_DEFAULT_S)
    : undefined;

/** The addresses of its load balancer whose packets arrive unchanged (`ipMode: VIP`). */
export function loadBalancerAddresses({ spec, status }: Service): string[] {
  const ingress = spec.type === "LoadBalancer" ? (status?.loadBalancer?.ingress ?? []) : [];
  return ingress
    .filter(({ ipMode }) => ipMode === undefined || ipMode === "VIP")
    .flatMap(({ ip }) => (ip ? [ip] : []));
}

/** Returns the clients that the load balancer's addresses admit; undefined: all of them. */
function firewallOf(
  { spec }: Service,
  addresses: string[],
  problems: Set<string>,
): ServicePort["firewall"] {
  const wanted = spec.loadBalancerSourceRanges ?? [];
  if (addresses.length === 0 || wanted.length === 0) return undefined;
  if (wanted.length > SOURCE_RANGES_MAX) {
    problems.add(`no client is admitted: more than ${SOURCE_RANGES_MAX} source ranges`);
    return { addresses, ranges: [] };
  }
  // A range that is none admits no client, rather than every one.
  const ranges = wanted
    .map((range) => range.trim())
    .filter((range) => {
      if (ipaddr.IPv4.isValidCIDR(range)) return true;
      if (!ipaddr.IPv6.isValidCIDR(range)) problems.add(`source range ${range} is not one`);
      return false;
    });
  const networks = ranges.map(networkOf);
  const all = networks.some((range) => range.endsWith("/0"));
  return all ? undefined : { addresses, ranges: networks };
}

/**
 * A range with its host bits cleared, as the kernel's tables print it. The API admits zeros before
 * the prefix (`10.0.0.0/08`), for which nft and IPVS refuse the rules of all Services.
 */
function networkOf(range: string): string {
  const [, prefix] = ipaddr.IPv4.parseCIDR(range);
  return `${ipaddr.IPv4.networkAddressFromCIDR(range).toString()}/${prefix}`;
}

function healthCheckOf(
  { metadata, spec }: Service,
  slices: readonly EndpointSlice[],
  nodeName: string,
): HealthCheck | undefined {
  const port = spec.healthCheckNodePort;
  if (!port || spec.externalTrafficPolicy !== "Local") return undefined;
  const local = slices
    .filter(({ addressType }) => addressType === "IPv4")
    .flatMap(({ endpoints }) => endpoints ?? [])
    .filter((endpoint) => endpoint.nodeName === nodeName && (endpoint.conditions?.ready ?? true))
    .map(({ addresses: [address] }) => address);
  const service = `${metadata.namespace}/${metadata.name}`;
  return { service, port, localEndpoints: new Set(local).size };
}

function onlyIpv4(addresses: string[], problems: Set<string>): string[] {
  return [...new Set(addresses)].filter((address) => {
    if (isIPv4(address)) return true;
    problems.add(`address ${address} is not served: only IPv4 is`);
    return false;
  });
}
