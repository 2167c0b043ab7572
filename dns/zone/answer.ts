import type { Answer, Question } from "dns-packet";
import { isIPv6 } from "node:net";
import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import { RCODE, type Reply, replyOf } from "../wire/message.ts";
import { backendsOf, clusterIps, isHeadless } from "./backends.ts";
import { labelOf, reverseAddressOf, type Subject, subjectOf } from "./subject.ts";
import type { Backend, ClusterView } from "./view.ts";

export interface Zone {
  /** Lower case, without dots at the ends. */
  domain: string;
  ttl_s: number;
}

/** An answer, or the name elsewhere at which it goes on (an ExternalName). */
export type ZoneAnswer =
  | { kind: "reply"; reply: Reply }
  | { kind: "alias"; record: Answer; target: string };

/** The version of the specification that the names follow. */
const SPEC_VERSION = "1.1.0";

/** What is found at a name: records of any type, or that the name does not exist. */
interface Found {
  exists: boolean;
  records: Answer[];
  additionals?: Answer[];
  alias?: { record: Answer; target: string };
}

const ABSENT: Found = { exists: false, records: [] };
const EMPTY: Found = { exists: true, records: [] };

/**
 * Answers a question about the cluster's names; undefined when it is not about them. Pure. A name
 * that exists without records of the type asked for is an empty answer; one that does not is
 * NXDOMAIN, so that a resolver goes on along its search path.
 */
export function answerZone(
  view: ClusterView,
  zone: Zone,
  question: Question,
): ZoneAnswer | undefined {
  const name = question.name.toLowerCase().replace(/\.$/, "");
  const found = lookUp(view, zone, name, question);
  if (!found) return undefined;
  // Asked for the alias itself, the record is the answer and no resolver goes on at its target.
  if (found.alias && question.type !== "CNAME") return { kind: "alias", ...found.alias };
  const answers = found.records.filter((record) => record.type === question.type);
  const reply = replyOf(found.exists ? RCODE.NOERROR : RCODE.NXDOMAIN, {
    authoritative: true,
    answers,
    authorities: answers.length > 0 ? [] : [startOfAuthority(view, zone)],
    additionals: answers.length > 0 ? (found.additionals ?? []) : [],
  });
  return { kind: "reply", reply };
}

/** With refusals it tells how long they may be kept (RFC 2308). */
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
  { name: asked }: Question,
): Found | undefined {
  const reverse = reverseAddressOf(name);
  if (reverse !== undefined) return lookUpReverse(view, zone, asked, reverse);
  const subject = subjectOf(name, zone.domain);
  return subject && lookUpSubject(view, zone, asked, subject);
}

function lookUpSubject(view: ClusterView, zone: Zone, name: string, subject: Subject): Found {
  const ttl = zone.ttl_s;
  switch (subject.kind) {
    case "domain":
      return { exists: true, records: [
        startOfAuthority(view, zone),
        { name, type: "NS", ttl, data: `ns.dns.${zone.domain}` },
      ] };
    case "version":
      return { exists: true, records: [{ name, type: "TXT", ttl, data: [SPEC_VERSION] }] };
    case "branch":
      return EMPTY;
    case "namespace":
      return view.hasNamespace(subject.namespace) ? EMPTY : ABSENT;
    case "pod":
      if (!view.hasNamespace(subject.namespace)) return ABSENT;
      return { exists: true, records: [addressRecord(name, ttl, subject.address)] };
    case "nothing":
      return ABSENT;
    default: {
      const service = view.service(subject.namespace, subject.service);
      return service ? lookUpService(view, zone, name, subject, service) : ABSENT;
    }
  }
}

type OfService = Extract<Subject, { service: string }>;

function lookUpService(
  view: ClusterView,
  zone: Zone,
  name: string,
  subject: OfService,
  service: Service,
): Found {
  if (service.spec.type === "ExternalName") {
    const target = service.spec.externalName;
    if (subject.kind !== "service" || !target) return ABSENT;
    const record: Answer = { name, type: "CNAME", ttl: zone.ttl_s, data: target };
    return { exists: true, records: [record], alias: { record, target } };
  }
  const backends = backendsOf(view.slices(subject.namespace, subject.service));
  const headless = isHeadless(service);
  switch (subject.kind) {
    case "service": {
      const ips = headless ? backends.map(({ address }) => address) : clusterIps(service);
      // Without endpoints there is nothing to lead to: the name does not exist for now.
      if (headless && ips.length === 0) return ABSENT;
      const srv = serviceRecords(zone, name, service, backends, () => true);
      const records = ips.map((ip) => addressRecord(name, zone.ttl_s, ip));
      return { exists: true, records: [...records, ...srv.records], additionals: srv.additionals };
    }
    case "endpoint": {
      const mine = backends.filter(({ host }) => host.toLowerCase() === subject.host);
      if (mine.length === 0) return ABSENT;
      const records = mine.map(({ address }) => addressRecord(name, zone.ttl_s, address));
      return { exists: true, records };
    }
    case "transport":
    case "port": {
      const matches = (port: { name: string; protocol: string }) =>
        port.protocol.toLowerCase() === subject.transport &&
        (subject.kind === "transport" || port.name.toLowerCase() === subject.port);
      const srv = serviceRecords(zone, name, service, backends, matches);
      if (srv.records.length === 0) return ABSENT;
      return { exists: true, ...(subject.kind === "port" ? srv : { records: [] }) };
    }
  }
}

/** SRV records of the ports that match, and the addresses of their targets. */
function serviceRecords(
  zone: Zone,
  name: string,
  service: Service,
  backends: readonly Backend[],
  matches: (port: { name: string; protocol: string }) => boolean,
): { records: Answer[]; additionals: Answer[] } {
  const own = fullName(zone, service);
  const records: Answer[] = [];
  const additionals: Answer[] = [];
  const add = (target: string, port: number, address: string) => {
    const data = { priority: 0, weight: 100, port, target };
    records.push({ name, type: "SRV", ttl: zone.ttl_s, data });
    additionals.push(addressRecord(target, zone.ttl_s, address));
  };
  if (isHeadless(service)) {
    for (const { host, address, ports } of backends) {
      for (const port of ports.filter(matches)) add(`${host}.${own}`, port.port, address);
    }
  } else {
    for (const { name: portName = "", protocol = "TCP", port } of service.spec.ports ?? []) {
      if (!matches({ name: portName, protocol })) continue;
      add(own, port, clusterIps(service)[0] ?? "0.0.0.0");
    }
  }
  return { records, additionals };
}

/** An address that is none of the cluster's is asked elsewhere. */
function lookUpReverse(
  view: ClusterView,
  zone: Zone,
  name: string,
  address: string,
): Found | undefined {
  const service = view.serviceAt(address);
  const pointer = (data: string): Answer => ({ name, type: "PTR", ttl: zone.ttl_s, data });
  if (service) return { exists: true, records: [pointer(fullName(zone, service))] };
  const records = view.slicesAt(address).flatMap((slice) => {
    const owner = slice.metadata.labels?.["kubernetes.io/service-name"];
    if (owner === undefined) return [];
    const endpoint = slice.endpoints.find(({ addresses }) => addresses.includes(address));
    const host = endpoint?.hostname || labelOf(address);
    return [pointer(`${host}.${owner}.${slice.metadata.namespace}.svc.${zone.domain}`)];
  });
  return records.length > 0 ? { exists: true, records } : undefined;
}

function fullName({ domain }: Zone, { metadata }: Service): string {
  return `${metadata.name}.${metadata.namespace}.svc.${domain}`;
}

function addressRecord(name: string, ttl: number, address: string): Answer {
  return { name, type: isIPv6(address) ? "AAAA" : "A", ttl, data: address };
}
