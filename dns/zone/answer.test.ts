import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import packet, { type Answer } from "dns-packet";
import { describe, expect, test } from "vitest";
import {
  PORTS_SEARCHED_MAX,
  RECORD_BYTES_MIN,
  RECORDS_MAX,
  REVERSE_SLICES_MAX,
  TCP_BYTES_MAX,
} from "../limits.ts";
import { viewOf } from "../testing/view.ts";
import { type Query, RCODE, readQuery, writeReply } from "../wire/message.ts";
import { answerZone } from "./answer.ts";
import { BackendCache, backendsOf } from "./backends.ts";

const ZONE = { domain: "cluster.local", ttl_s: 5 };

const service = (name: string, spec: Service["spec"]): Service => ({
  metadata: { name, namespace: "shop" },
  spec,
});

const SERVICES = [
  service("web", {
    clusterIP: "10.96.0.7",
    ports: [
      { name: "http", port: 80, protocol: "TCP" },
      { name: "dns", port: 53, protocol: "UDP" },
    ],
  }),
  service("db", { clusterIP: "None", ports: [{ name: "sql", port: 5432 }] }),
  service("empty", { clusterIP: "None", ports: [] }),
  service("docs", { type: "ExternalName", externalName: "docs.example.org" }),
  service("long", { type: "ExternalName", externalName: `${"x".repeat(64)}.example.org` }),
  service("address", { type: "ExternalName", externalName: "192.0.2.1" }),
  service("wide", {
    clusterIP: "10.96.0.8",
    ports: Array.from({ length: 20_000 }, (_, at) => ({ name: `p${at}`, port: at + 1 })),
  }),
  service("six", { clusterIP: "fd00::7", ports: [] }),
];

const SLICES: EndpointSlice[] = [
  {
    metadata: { name: "db-1", namespace: "shop", labels: { "kubernetes.io/service-name": "db" } },
    addressType: "IPv4",
    ports: [{ name: "sql", port: 5432, protocol: "TCP" }],
    endpoints: [
      { addresses: ["10.244.0.5"], hostname: "db-0", conditions: { ready: true } },
      { addresses: ["10.244.0.6"] },
      { addresses: ["10.244.0.7"], conditions: { ready: false } },
    ],
  },
];

const VIEW = viewOf(SERVICES, SLICES);

describe("the backends of a Service", () => {
  const slice = (name: string, port: number, addresses: string[]): EndpointSlice => ({
    metadata: { name, namespace: "shop", labels: { "kubernetes.io/service-name": "db" } },
    addressType: "IPv4",
    ports: [{ name: "sql", port, protocol: "TCP" }],
    endpoints: addresses.map((address) => ({ addresses: [address] })),
  });
  const portsOf = (slices: EndpointSlice[]) =>
    Object.fromEntries(
      backendsOf(slices).all.map(({ address, ports }) => [address, ports.map(({ port }) => port)]),
    );

  test("have the ports of each slice that has their address, once, and of no other", () => {
    expect(
      portsOf([
        slice("one", 1, ["10.244.0.5", "10.244.0.6"]),
        slice("two", 2, ["10.244.0.5"]),
        slice("three", 1, ["10.244.0.5"]),
      ]),
    ).toEqual({ "10.244.0.5": [1, 2], "10.244.0.6": [1] });
  });

  test("have a port once, however often a slice repeats their address", () => {
    expect(portsOf([slice("one", 1, Array(30).fill("10.244.0.5"))])).toEqual({ "10.244.0.5": [1] });
  });

  test("are addresses, not the names that a slice of the type FQDN has", () => {
    const names: EndpointSlice = { ...slice("one", 1, ["example.com"]), addressType: "FQDN" };
    expect(viewOf(SERVICES, [names]).backends("shop", "db").all).toEqual([]);
  });

  test("are kept until one of its slices changes", () => {
    const cache = new BackendCache();
    const [one, two] = [slice("one", 1, ["10.244.0.5"]), slice("two", 2, ["10.244.0.6"])];
    const first = cache.of("shop/db", [one]);
    expect(cache.of("shop/db", [one])).toBe(first);
    cache.changed(two);
    expect(cache.of("shop/db", [one, two]).all).toHaveLength(2);
  });
});

function query(name: string, type: string) {
  return answerZone(VIEW, ZONE, { name, type, class: "IN" });
}

function dataOf(name: string, type: string): unknown[] {
  const answer = query(name, type);
  if (answer?.kind !== "reply") throw new Error(`no reply to ${name}`);
  return answer.reply.answers.map((record) => "data" in record && record.data);
}

function rcodeOf(name: string, type = "A") {
  const answer = query(name, type);
  if (answer?.kind !== "reply") return undefined;
  const { rcode, answers, authorities } = answer.reply;
  // A negative answer must have an SOA record with its TTL (RFC 2308).
  if (answers.length === 0) expect(authorities[0]).toMatchObject({ type: "SOA", ttl: 5 });
  return rcode;
}

describe("a Service with a ClusterIP", () => {
  test("has its address in the record type of its family only", () => {
    expect(dataOf("web.shop.svc.cluster.local", "A")).toEqual(["10.96.0.7"]);
    expect(dataOf("web.shop.svc.cluster.local", "AAAA")).toEqual([]);
    expect(rcodeOf("web.shop.svc.cluster.local", "AAAA")).toBe(RCODE.NOERROR);
    expect(dataOf("six.shop.svc.cluster.local", "AAAA")).toEqual(["fd00::7"]);
  });

  test("is found regardless of letter case, and the answer keeps the query's", () => {
    const answer = query("WEB.Shop.svc.Cluster.local", "A");
    expect(answer).toMatchObject({
      kind: "reply",
      reply: { answers: [{ name: "WEB.Shop.svc.Cluster.local", data: "10.96.0.7" }] },
    });
  });

  test("has an SRV record per named port, and the address as additional record", () => {
    const answer = query("_http._tcp.web.shop.svc.cluster.local", "SRV");
    const target = "web.shop.svc.cluster.local";
    expect(answer).toMatchObject({
      kind: "reply",
      reply: {
        answers: [{ data: { port: 80, target, weight: 100 } }],
        additionals: [{ name: target, type: "A", data: "10.96.0.7" }],
      },
    });
    expect(rcodeOf("_http._udp.web.shop.svc.cluster.local", "SRV")).toBe(RCODE.NXDOMAIN);
    expect(rcodeOf("_absent._tcp.web.shop.svc.cluster.local", "SRV")).toBe(RCODE.NXDOMAIN);
    expect(rcodeOf("_tcp.web.shop.svc.cluster.local", "SRV")).toBe(RCODE.NOERROR);
  });

  test("has a PTR record for its address", () => {
    expect(dataOf("7.0.96.10.in-addr.arpa", "PTR")).toEqual(["web.shop.svc.cluster.local"]);
  });
});

describe("a headless Service", () => {
  test("has the addresses of its ready endpoints", () => {
    expect(dataOf("db.shop.svc.cluster.local", "A")).toEqual(["10.244.0.5", "10.244.0.6"]);
  });

  test("names each endpoint by its host name, or by its address", () => {
    expect(dataOf("db-0.db.shop.svc.cluster.local", "A")).toEqual(["10.244.0.5"]);
    expect(dataOf("10-244-0-6.db.shop.svc.cluster.local", "A")).toEqual(["10.244.0.6"]);
    expect(rcodeOf("10-244-0-7.db.shop.svc.cluster.local")).toBe(RCODE.NXDOMAIN);
    expect(dataOf("5.0.244.10.in-addr.arpa", "PTR")).toEqual(["db-0.db.shop.svc.cluster.local"]);
  });

  test("has one PTR record for an address in two slices, none for one that is not ready", () => {
    const [one] = SLICES;
    const other = { ...one!, metadata: { ...one!.metadata, name: "db-2" } };
    const pointers = (address: string) => {
      const question = { name: `${address}.in-addr.arpa`, type: "PTR", class: "IN" };
      const answer = answerZone(viewOf(SERVICES, [one!, other]), ZONE, question);
      return answer?.kind === "reply" ? answer.reply.answers.length : undefined;
    };
    expect(["5.0.244.10", "7.0.244.10"].map(pointers)).toEqual([1, undefined]);
  });

  test("has SRV records that name the endpoints", () => {
    const records = dataOf("_sql._tcp.db.shop.svc.cluster.local", "SRV") as { target: string }[];
    expect(records.map(({ target }) => target)).toEqual([
      "db-0.db.shop.svc.cluster.local",
      "10-244-0-6.db.shop.svc.cluster.local",
    ]);
  });

  test("without endpoints is NXDOMAIN", () => {
    expect(rcodeOf("empty.shop.svc.cluster.local")).toBe(RCODE.NXDOMAIN);
  });
});

test("an ExternalName is a CNAME", () => {
  const record: Answer = {
    name: "docs.shop.svc.cluster.local",
    type: "CNAME",
    ttl: 5,
    data: "docs.example.org",
  };
  expect(query("docs.shop.svc.cluster.local", "A")).toEqual({
    kind: "cname",
    target: "docs.example.org",
    record,
  });
  expect(dataOf("docs.shop.svc.cluster.local", "CNAME")).toEqual(["docs.example.org"]);
});

test.each(["long", "address"])("an ExternalName that is no name of DNS is NXDOMAIN: %s", (name) => {
  expect(rcodeOf(`${name}.shop.svc.cluster.local`)).toBe(RCODE.NXDOMAIN);
});

test("a pod's address has a name in each existing namespace", () => {
  expect(dataOf("10-244-0-9.shop.pod.cluster.local", "A")).toEqual(["10.244.0.9"]);
  expect(rcodeOf("10-244-0-9.absent.pod.cluster.local")).toBe(RCODE.NXDOMAIN);
  expect(rcodeOf("10-244-0-999.shop.pod.cluster.local")).toBe(RCODE.NXDOMAIN);
});

describe("names without records", () => {
  test.each([
    ["svc.cluster.local"],
    ["pod.cluster.local"],
    ["shop.svc.cluster.local"],
    ["cluster.local"],
  ])("%s is NODATA", (name) => {
    expect(rcodeOf(name)).toBe(RCODE.NOERROR);
  });

  test.each([
    ["absent.shop.svc.cluster.local"],
    ["web.absent.svc.cluster.local"],
    ["absent.svc.cluster.local"],
    ["web.shop.cluster.local"],
    ["x.y.web.shop.svc.cluster.local"],
    ["web.shop.svc.cluster.local.shop.svc.cluster.local"],
  ])("%s is NXDOMAIN", (name) => {
    expect(rcodeOf(name)).toBe(RCODE.NXDOMAIN);
  });

  test.each([["example.org"], ["xcluster.local"], ["9.9.9.9.in-addr.arpa"], ["."]])(
    "%s is not a name of the cluster",
    (name) => {
      expect(query(name, "A")).toBeUndefined();
    },
  );
});

test("the domain has SOA, NS and the version of the specification", () => {
  expect(dataOf("cluster.local", "SOA")).toMatchObject([{ serial: 42, minimum: 5 }]);
  expect(dataOf("cluster.local", "NS")).toEqual(["ns.dns.cluster.local"]);
  expect(dataOf("dns-version.cluster.local", "TXT")).toEqual([["1.1.0"]]);
});

test("records beyond what a message has room for are neither made nor encoded", () => {
  const asked = { name: "wide.shop.svc.cluster.local", type: "SRV", class: "IN" };
  const answer = answerZone(VIEW, ZONE, asked);
  if (answer?.kind !== "reply") throw new Error("no reply");
  const count = Math.ceil(TCP_BYTES_MAX / (RECORD_BYTES_MIN + asked.name.length));
  expect(answer.reply.answers).toHaveLength(count);
  const addresses = answerZone(VIEW, ZONE, { ...asked, type: "A" });
  expect(addresses).toMatchObject({ reply: { answers: [{ data: "10.96.0.8" }], additionals: [] } });
  const bytes = packet.encode({
    id: 1,
    type: "query",
    flags: 0,
    questions: [{ name: asked.name, type: "SRV" }],
    answers: [],
    authorities: [],
    additionals: [],
  });
  const answers = Array.from({ length: 100_000 }, () => answer.reply.answers[0]!);
  const query = readQuery(bytes) as Query;
  const written = packet.decode(writeReply(query, { ...answer.reply, answers }, 512));
  expect(written.flags & packet.TRUNCATED_RESPONSE).not.toBe(0);
  expect(written.answers.length).toBeGreaterThan(0);
});

test("of a host name that many endpoints have, no more records are made either", () => {
  const one = { address: "10.0.0.1", host: "db-0", ports: [] };
  const all = Array.from({ length: RECORDS_MAX + 1 }, () => one);
  const view = { ...VIEW, backends: () => ({ all, byHost: new Map([["db-0", all]]) }) };
  const asked = { name: "db-0.db.shop.svc.cluster.local", type: "A", class: "IN" };
  const answer = answerZone(view, ZONE, asked);
  if (answer?.kind !== "reply") throw new Error("no reply");
  expect(answer.reply.answers).toHaveLength(RECORDS_MAX);
});

test("of a slice's ports each is looked at once, for all of its endpoints", () => {
  let looked = 0;
  const port = { port: 1, protocol: "TCP" };
  const ports = Array.from({ length: 100 }, () =>
    Object.defineProperty({ ...port, name: "" }, "name", { get: () => `p${looked++}` }),
  );
  const all = Array.from({ length: 50 }, (_, at) => ({ address: `10.0.0.${at}`, host: "", ports }));
  const view = { ...VIEW, backends: () => ({ all, byHost: new Map() }) };
  const asked = { name: "_absent._tcp.db.shop.svc.cluster.local", type: "SRV", class: "IN" };
  expect(answerZone(view, ZONE, asked)).toMatchObject({ reply: { rcode: RCODE.NXDOMAIN } });
  expect(looked).toBe(100);
});

test("of pods that each have ports of their own no more than some are looked at for a name", () => {
  let looked = 0;
  const port = { port: 1, protocol: "TCP", name: "" };
  const counted = Object.defineProperty(port, "name", { get: () => `p${looked++}` });
  const all = Array.from({ length: 50 }, (_, at) => {
    const ports = Array.from({ length: 20_000 }, () => counted);
    return { address: `10.0.0.${at}`, host: "", ports };
  });
  const view = { ...VIEW, backends: () => ({ all, byHost: new Map() }) };
  const asked = { name: "_absent._tcp.db.shop.svc.cluster.local", type: "SRV", class: "IN" };
  expect(answerZone(view, ZONE, asked)).toMatchObject({ reply: { rcode: RCODE.NXDOMAIN } });
  expect(looked).toBeLessThanOrEqual(PORTS_SEARCHED_MAX + 20_000);
});

test("of the Services of one address as many are looked at as a tenant may have names", () => {
  const slices = Array.from({ length: REVERSE_SLICES_MAX + 1 }, (_, at) => ({
    metadata: { namespace: "shop", labels: { "kubernetes.io/service-name": `s${at}` } },
    addressType: "IPv4",
    endpoints: [{ addresses: ["10.244.0.77"] }],
    ports: [],
  }));
  const view = { ...VIEW, serviceAt: () => undefined, slicesAt: () => slices };
  const asked = { name: "77.0.244.10.in-addr.arpa", type: "PTR", class: "IN" };
  const answer = answerZone(view, ZONE, asked);
  if (answer?.kind !== "reply") throw new Error("no reply");
  expect(answer.reply.answers).toHaveLength(REVERSE_SLICES_MAX);
});
