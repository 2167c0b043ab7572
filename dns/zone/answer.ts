import { isIPv4, isIPv6 } from "node:net";
import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import type { Answer, Question } from "dns-packet";
import {
  LABEL_BYTES_MAX,
  PORTS_SEARCHED_MAX,
  RECORD_BYTES_MIN,
  RECORDS_MAX,
  REVERSE_SLICES_MAX,
  TCP_BYTES_MAX,
} from "../limits.ts";
import { RCODE, type Reply, replyOf } from "../wire/message.ts";
import { clusterIps, isHeadless } from "./backends.ts";
import { type ClusterName, labelOf, parseClusterName, reverseAddressOf } from "./cluster-name.ts";
import type { Backend, ClusterView } from "./view.ts";

export interface Zone {
  /** Domain of the cluster in lower case, without leading or trailing dots. */
  domain: string;
  ttl_s: number;
}

/** A complete reply, or a CNAME (of an ExternalName) whose target must be resolved. */
export type ZoneAnswer =
  | { kind: "reply"; reply: Reply }
  | { kind: "cname"; record: Answer; target: string };

/** The version of the specification that the names follow. */
const SPEC_VERSION = "1.1.0";

/** The records of a name, of any type; `exists` distinguishes NODATA from NXDOMAIN. */
interface Lookup {
  exists: boolean;
  records: Answer[];
  /** The records of SRV, which tenants choose the number of: only made when asked for. */
  srv?: () => { records: Answer[]; additionals: Answer[] };
  cname?: { record: Answer; target: string };
}

const NXDOMAIN: Lookup = { exists: false, records: [] };
const NODATA: Lookup = { exists: true, records: [] };

/**
 * Answers a question about a name of the cluster; returns undefined for all other names. Pure. A
 * name without records of the requested type is NODATA; a name that does not exist is NXDOMAIN, so
 * that a resolver continues with its search path.
 */
export function answerZone(
  view: ClusterView,
  zone: Zone,
  question: Question,
): ZoneAnswer | undefined {
  // lab:15 begin answer-zone
  const name = question.name.toLowerCase().replace(/\.$/, "");
  const found = lookUp(view, zone, name, question);
  if (!found) return undefined;
  // A question for the CNAME itself is answered by the record, without resolving the target.
  if (found.cname && question.type !== "CNAME") return { kind: "cname", ...found.cname };
  const srv = question.type === "SRV" ? found.srv?.() : undefined;
  const answers = srv?.records ?? found.records.filter(({ type }) => type === question.type);
  const reply = replyOf(found.exists ? RCODE.NOERROR : RCODE.NXDOMAIN, {
    authoritative: true,
    answers,
    authorities: answers.length > 0 ? [] : [startOfAuthority(view, zone)],
    additionals: srv?.additionals ?? [],
  });
  return { kind: "reply", reply };
  // lab:15 end
}

/** Returns the SOA record; in negative answers it has their TTL (RFC 2308). */
function startOfAuthority(view: ClusterView, { domain, ttl_s }: Zone): Answer {
  return {
    name: domain,
    type: "SOA",
    ttl: ttl_s,
    data: {
      mname: `ns.dns.${domain}`,
      rname: `hostmaster.${domain}`,
      serial: view.serial(),
      refresh: 7200,
      retry: 1800,
      expire: 86400,
      minimum: ttl_s,
    },
  };
}

function lookUp(
  view: ClusterView,
  zone: Zone,
  name: string,
  { name: original }: Question,
): Lookup | undefined {
  const reverse = reverseAddressOf(name);
  if (reverse !== undefined) return lookUpReverse(view, zone, original, reverse);
  const parsed = parseClusterName(name, zone.domain);
  return parsed && lookUpName(view, zone, original, parsed);
}

function lookUpName(view: ClusterView, zone: Zone, name: string, parsed: ClusterName): Lookup {
  const ttl = zone.ttl_s;
  switch (parsed.kind) {
    case "domain":
      return {
        exists: true,
        records: [
          startOfAuthority(view, zone),
          { name, type: "NS", ttl, data: `ns.dns.${zone.domain}` },
        ],
      };
    case "version":
      return { exists: true, records: [{ name, type: "TXT", ttl, data: [SPEC_VERSION] }] };
    case "subdomain":
      return NODATA;
    case "namespace":
      return view.hasNamespace(parsed.namespace) ? NODATA : NXDOMAIN;
    case "pod":
      if (!view.hasNamespace(parsed.namespace)) return NXDOMAIN;
      return { exists: true, records: [addressRecord(name, ttl, parsed.address)] };
    case "invalid":
      return NXDOMAIN;
    default: {
      const service = view.service(parsed.namespace, parsed.service);
      return service ? lookUpService(view, zone, name, parsed, service) : NXDOMAIN;
    }
  }
}

/** Whether a Service's externalName can be in a message: the API bounds no label of it. */
const isName = (target: string | undefined): target is string =>
  Boolean(target) &&
  !isIPv4(target!) &&
  target!.split(".").every((label) => label.length <= LABEL_BYTES_MAX);

type ServiceName = Extract<ClusterName, { service: string }>;

/**
 * Returns the records of a name of an existing Service. A headless Service has its endpoints'
 * addresses, any other its ClusterIPs. A name without an endpoint or port is NXDOMAIN; one with
 * nothing but names below it is NODATA. At most RECORDS_MAX addresses are returned.
 */
function lookUpService(
  view: ClusterView,
  zone: Zone,
  name: string,
  parsed: ServiceName,
  service: Service,
): Lookup {
  if (service.spec.type === "ExternalName") {
    const target = service.spec.externalName;
    if (parsed.kind !== "service" || !isName(target)) return NXDOMAIN;
    const record: Answer = { name, type: "CNAME", ttl: zone.ttl_s, data: target };
    return { exists: true, records: [record], cname: { record, target } };
  }
  // lab:15 begin look-up-service
  const backends = view.backends(parsed.namespace, parsed.service);
  const headless = isHeadless(service);
  switch (parsed.kind) {
    case "service": {
      const ips = headless ? backends.all.map(({ address }) => address) : clusterIps(service);
      // Without ready endpoints the name of a headless Service does not exist.
      if (headless && ips.length === 0) return NXDOMAIN;
      const srv = () =>
        srvRecords(
          zone,
          name,
          srvTargets(zone, service, backends.all, () => true),
        );
      const shown = ips.slice(0, RECORDS_MAX);
      const records = shown.map((ip) => addressRecord(name, zone.ttl_s, ip));
      return { exists: true, records, srv };
    }
    case "endpoint": {
      const mine = backends.byHost.get(parsed.host)?.slice(0, RECORDS_MAX);
      if (!mine) return NXDOMAIN;
      const records = mine.map(({ address }) => addressRecord(name, zone.ttl_s, address));
      return { exists: true, records };
    }
    case "transport":
    case "port": {
      const matches = (port: { name: string; protocol: string }) =>
        port.protocol.toLowerCase() === parsed.transport &&
        (parsed.kind === "transport" || port.name.toLowerCase() === parsed.port);
      const targets = () => srvTargets(zone, service, backends.all, matches);
      if (targets().next().done) return NXDOMAIN;
      if (parsed.kind === "transport") return NODATA;
      return { exists: true, records: [], srv: () => srvRecords(zone, name, targets()) };
    }
  }
  // lab:15 end
}

type SrvTarget = { target: string; port: number; address: string };

/** Yields what SRV records name: each endpoint and port of a headless Service, else its ports. */
function* srvTargets(
  zone: Zone,
  service: Service,
  backends: readonly Backend[],
  matches: (port: { name: string; protocol: string }) => boolean,
): Generator<SrvTarget> {
  // lab:15 begin srv-targets
  const own = fullName(zone, service);
  if (isHeadless(service)) {
    // A slice's endpoints have one list, of thousands of ports of which none may match.
    const matching = new Map<Backend["ports"], Backend["ports"]>();
    let searched = 0;
    for (const { host, address, ports } of backends) {
      if (searched > PORTS_SEARCHED_MAX) return;
      if (!matching.has(ports)) searched += ports.length;
      const found = matching.get(ports) ?? ports.filter(matches);
      matching.set(ports, found);
      for (const { port } of found) yield { target: `${host}.${own}`, port, address };
    }
    return;
  }
  const address = clusterIps(service)[0] ?? "0.0.0.0";
  for (const { name = "", protocol = "TCP", port } of service.spec.ports ?? []) {
    if (matches({ name, protocol })) yield { target: own, port, address };
  }
  // lab:15 end
}

/**
 * Returns SRV records, at most as many as a message has room for, and their targets' addresses. A
 * target's name is not compressed (RFC 2782).
 */
function srvRecords(
  { ttl_s: ttl }: Zone,
  name: string,
  targets: Iterable<SrvTarget>,
): { records: Answer[]; additionals: Answer[] } {
  const records: Answer[] = [];
  const additionals: Answer[] = [];
  let bytes = 0;
  for (const { target, port, address } of targets) {
    records.push({ name, type: "SRV", ttl, data: { priority: 0, weight: 100, port, target } });
    additionals.push(addressRecord(target, ttl, address));
    bytes += RECORD_BYTES_MIN + target.length;
    if (bytes > TCP_BYTES_MAX) break;
  }
  return { records, additionals };
}

/**
 * Returns PTR records of an address: the name of the Service whose ClusterIP it is, else a name for
 * each Service that has it as a ready endpoint, once (RFC 2181, 5). Undefined for other addresses,
 * which may not be of the cluster.
 */
function lookUpReverse(
  view: ClusterView,
  zone: Zone,
  name: string,
  address: string,
): Lookup | undefined {
  // lab:15 begin look-up-reverse
  const service = view.serviceAt(address);
  const pointer = (data: string): Answer => ({ name, type: "PTR", ttl: zone.ttl_s, data });
  if (service) return { exists: true, records: [pointer(fullName(zone, service))] };
  const slices = view.slicesAt(address).slice(0, REVERSE_SLICES_MAX);
  const names = slices.flatMap((slice) => {
    const owner = slice.metadata.labels?.["kubernetes.io/service-name"];
    const endpoint = slice.endpoints.find(
      ({ addresses, conditions }) => conditions?.ready !== false && addresses.includes(address),
    );
    if (owner === undefined || !endpoint) return [];
    const host = endpoint.hostname || labelOf(address);
    return [`${host}.${owner}.${slice.metadata.namespace}.svc.${zone.domain}`];
  });
  const records = [...new Set(names)].map(pointer);
  return records.length > 0 ? { exists: true, records } : undefined;
  // lab:15 end
}

function fullName({ domain }: Zone, { metadata }: Service): string {
  return `${metadata.name}.${metadata.namespace}.svc.${domain}`;
}

function addressRecord(name: string, ttl: number, address: string): Answer {
  return { name, type: isIPv6(address) ? "AAAA" : "A", ttl, data: address };
}
