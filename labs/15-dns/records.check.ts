import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { type Query, RCODE, readQuery, replyOf, writeReply } from "@raft2kube/dns/wire/message.ts";
import { answerZone } from "@raft2kube/dns/zone/answer.ts";
import { backendsOf } from "@raft2kube/dns/zone/backends.ts";
import packet, { type Answer } from "dns-packet";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { mustEqual } from "../must.ts";
import { answerOf, dataOf, MANY, SHOP, slice, ZONE } from "./shop.ts";

const SQL = ["sql", 5432] as const;

type Sliced = readonly [slices: EndpointSlice[], expected: string[], why: string];

const ENDPOINTS: readonly Sliced[] = [
  [
    [slice("db", SQL, { "10.244.0.5": { hostname: "db-0" }, "10.244.0.6": {} })],
    ["db-0 10.244.0.5 sql", "10-244-0-6 10.244.0.6 sql"],
    "an endpoint without a host name gets a label of its address",
  ],
  [
    [slice("db", SQL, { "10.244.0.7": { conditions: { ready: false } } })],
    [],
    "a client would be refused: names follow readiness",
  ],
  [
    [slice("db", SQL, { "10.244.0.7": { conditions: {} } })],
    ["10-244-0-7 10.244.0.7 sql"],
    "an unknown readiness counts as ready (EndpointConditions)",
  ],
  [
    [slice("db", SQL, { "10.244.0.5": {} }), slice("db", ["metrics", 9187], { "10.244.0.5": {} })],
    ["10-244-0-5 10.244.0.5 sql metrics"],
    "a slice has the endpoints of the same ports: one address may be in several",
  ],
  [
    [
      slice("db", SQL, { "10.244.0.5": { hostname: "a" } }),
      slice("db", SQL, { "10.244.0.6": { hostname: "a" } }),
    ],
    ["a 10.244.0.5 sql", "a 10.244.0.6 sql"],
    "two pods may have the same host name",
  ],
];

check("endpoints: which are behind a Service", () => {
  for (const [slices, expected, why] of ENDPOINTS) {
    const { all, byHost } = backendsOf(slices);
    const found = all.map(({ host, address, ports }) =>
      [host, address, ...ports.map(({ name }) => name)].join(" "),
    );
    const when = `the slices ${JSON.stringify(
      slices.map(({ ports, endpoints }) => ({ ports: ports?.map(({ name }) => name), endpoints })),
    )}`;
    mustEqual(found, expected, { when, why });
    mustEqual([...byHost.values()].flat().length, all.length, { when: `${when}, by host`, why });
  }
});

type Question = readonly [name: string, type: string, answer: string, why: string];

/** Compares the zone's answers to questions about names of the namespace `shop`. */
function mustAnswer(questions: readonly Question[]): void {
  for (const [name, type, expected, why] of questions) {
    const full = /arpa$|\.$/.test(name) ? name : `${name}.shop.svc.cluster.local`;
    mustEqual(answerOf(full, type), expected, { when: `${full} ${type}`, why });
  }
}

check("records: the addresses of each kind of Service", () =>
  mustAnswer([
    ["web", "A", "10.96.0.7", "the ClusterIP, however many pods there are: the proxy chooses"],
    ["web", "AAAA", "fd00::7", "the other family of a dual-stack Service"],
    [
      "db",
      "A",
      "10.244.0.5, 10.244.0.6",
      "without a ClusterIP the client chooses, among the ready",
    ],
    ["db-0.db", "A", "10.244.0.5", "one pod, which keeps its name when its address changes"],
    ["DB-0.db", "A", "10.244.0.5", "names are compared without case (RFC 4343)"],
    ["10-244-0-6.db", "A", "10.244.0.6", "a pod without a host name"],
    ["db-2.db", "A", "NXDOMAIN", "there is no such pod"],
    ["empty", "A", "NXDOMAIN", "no endpoint is ready: a client that gets NODATA caches it as real"],
    ["docs", "A", "follow docs.example.org", "an ExternalName is an alias"],
    ["docs", "CNAME", "docs.example.org", "who asks for the alias gets it, not what it stands for"],
    ["nosuch", "A", "NXDOMAIN", "there is no such Service"],
  ]),
);

check("answers: no data is not the same as no such name", () => {
  mustAnswer([
    ["four", "AAAA", "NODATA", "the name exists: NXDOMAIN would deny its other types, too"],
    ["db", "MX", "NODATA", "likewise for any type that it has not"],
    ["WEB", "A", "10.96.0.7", "resolvers mix the case of their questions against forgery"],
    ["web.shop.svc.cluster.local.", "A", "10.96.0.7", "the final dot is no part of a name"],
    ["web.shop.svc.other.zone.", "A", "forwarded", "only names below the domain are the zone's"],
  ]);
  const found = answerZone(SHOP, ZONE, {
    name: "nosuch.shop.svc.cluster.local",
    type: "A",
    class: "IN",
  });
  const soa = found?.kind === "reply" ? found.reply.authorities : [];
  mustEqual(
    soa.map(({ name, type }) => `${name} ${type}`),
    ["cluster.local SOA"],
    {
      when: "the authority section of an NXDOMAIN",
      why: "its TTL says for how long a resolver may keep the answer (RFC 2308)",
    },
  );
  const asked = "Web.shop.svc.cluster.local";
  const same = answerZone(SHOP, ZONE, { name: asked, type: "A", class: "IN" });
  const names = same?.kind === "reply" ? same.reply.answers.map(({ name }) => name) : [];
  mustEqual(names, [asked], {
    when: `the owner's name in the answer to ${asked}`,
    why: "a resolver that mixes case drops an answer with another case as forged",
  });
});

check("SRV: a port by its name, with the host that has it", () =>
  mustAnswer([
    [
      "_http._tcp.web",
      "SRV",
      "0 100 80 web.shop.svc.cluster.local",
      "the Service's own port: the proxy translates it",
    ],
    [
      "_sql._tcp.db",
      "SRV",
      "0 100 5432 10-244-0-6.db.shop.svc.cluster.local, " +
        "0 100 5432 db-0.db.shop.svc.cluster.local",
      "without a proxy: each endpoint's name, and the port that its pod listens on",
    ],
    [
      "_metrics._tcp.db",
      "SRV",
      "0 100 9187 db-0.db.shop.svc.cluster.local",
      "only what has this port",
    ],
    ["_http._udp.web", "SRV", "NXDOMAIN", "the port of this name is of another protocol"],
    ["_https._tcp.web", "SRV", "NXDOMAIN", "no port has this name"],
    ["_tcp.web", "SRV", "NODATA", "it has names below it"],
    ["_http._tcp.web", "A", "NODATA", "it exists, and is no host"],
    [
      "web",
      "SRV",
      "0 100 53 web.shop.svc.cluster.local, 0 100 80 web.shop.svc.cluster.local",
      "without a port's name: all of them",
    ],
  ]),
);

check("reverse: the name of an address", () =>
  mustAnswer([
    ["7.0.96.10.in-addr.arpa", "PTR", "web.shop.svc.cluster.local", "a ClusterIP is its Service's"],
    [
      "5.0.244.10.in-addr.arpa",
      "PTR",
      "db-0.db.shop.svc.cluster.local",
      "an endpoint's; two slices have it, and no record is there twice (RFC 2181, 5)",
    ],
    ["6.0.244.10.in-addr.arpa", "PTR", "10-244-0-6.db.shop.svc.cluster.local", "by its label"],
    ["7.0.244.10.in-addr.arpa", "PTR", "forwarded", "it is not ready: its name does not exist"],
    ["5.0.244.10.in-addr.arpa", "A", "NODATA", "an address's name has a PTR record alone"],
    [
      "1.1.1.1.in-addr.arpa",
      "PTR",
      "forwarded",
      "the internet's addresses are not the cluster's to deny",
    ],
  ]),
);

const BIG = "big.shop.svc.cluster.local";
/** A limit below which the question alone may not fit. */
const SMALL_BYTES = 512;
const address = (data: string): Answer => ({ name: BIG, type: "A", ttl: 5, data });

function query(): Query {
  const questions = [{ name: BIG, type: "A", class: "IN" }];
  const read = readQuery(
    packet.encode({
      id: 7,
      type: "query",
      flags: packet.RECURSION_DESIRED,
      questions,
      answers: [],
      authorities: [],
      additionals: [],
    }),
  );
  if (typeof read !== "object") throw new RangeError("the query of this check is not one");
  return read;
}

check("size: a datagram has a limit, and the answer says when it is cut", () => {
  const answers = MANY.map(address);
  for (const [limit, additionals, expected, why] of [
    [4096, 0, "all records", "what fits is sent whole"],
    [
      512,
      0,
      "some records, cut",
      "TC makes the client ask again by TCP: without it most pods " + "get no traffic, silently",
    ],
    [1000, 0, "some records, cut", "likewise where a few are too many"],
    [
      1100,
      10,
      "all records, none additional",
      "additional records save a question; without them the answer is still whole",
    ],
    [40, 0, "no record, cut", "not even one fits: the question and TC remain"],
  ] as const) {
    const more = answers.slice(0, additionals).map((each) => ({ ...each, name: `a.${BIG}` }));
    const reply = replyOf(RCODE.NOERROR, { answers, additionals: more });
    const bytes = writeReply(query(), reply, limit);
    const sent = packet.decode(bytes);
    const count = sent.answers.length;
    const isCut = (sent.flags & packet.TRUNCATED_RESPONSE) !== 0;
    const happened = [
      count === 0 ? "no record" : count < answers.length ? "some records" : "all records",
      ...(isCut ? ["cut"] : []),
      ...(additionals > 0 && sent.additionals.length === 0 ? ["none additional"] : []),
      ...(limit >= SMALL_BYTES && bytes.length > limit ? [`in ${bytes.length} bytes`] : []),
    ].join(", ");
    const when = `60 addresses and ${additionals} additional records, in ${limit} bytes at most`;
    judge(happened === expected, { when, expected, happened, why });
    const first = sent.answers.map(dataOf);
    const order = "which records come first is the zone's choice";
    mustEqual(first, MANY.slice(0, count), { when: `${when}: which ones`, why: order });
  }
});
