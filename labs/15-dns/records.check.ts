import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { type Query, RCODE, readQuery, replyOf, writeReply } from "@raft2kube/dns/wire/message.ts";
import { answerZone } from "@raft2kube/dns/zone/answer.ts";
import { backendsOf } from "@raft2kube/dns/zone/backends.ts";
import packet, { type Answer } from "dns-packet";
import { check } from "../check.ts";
import { as, clauses, number, text } from "../clauses.ts";
import { judge } from "../judge.ts";
import { mustEqual } from "../must.ts";
import { answerOf, dataOf, MANY, SHOP, slice, ZONE } from "./shop.ts";

const PORTS: Readonly<Record<string, number>> = { sql: 5432, metrics: 9187 };

/** Slices of the Service db: each has one port, and the endpoints by their addresses. */
function slicesOf(given: unknown): EndpointSlice[] {
  return (given as Record<string, Parameters<typeof slice>[2]>[]).map((each) => {
    const [port, endpoints] = Object.entries(each)[0]!;
    return slice("db", [port, PORTS[port]!], endpoints);
  });
}

const question = { name: text, type: text, expected: text, why: text };
const tables = clauses(import.meta, {
  endpoints: { slices: slicesOf, expected: as<readonly string[]>(), why: text },
  addresses: question,
  present: question,
  ports: question,
  names: question,
  sizes: { limit: number, additionals: number, expected: text, why: text },
});

check("endpoints: which are behind a Service", () => {
  for (const { slices, expected, why } of tables.endpoints) {
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

/** Compares the zone's answers to questions about names of the namespace `shop`. */
function mustAnswer(questions: typeof tables.addresses): void {
  for (const { name, type, expected, why } of questions) {
    const full = /arpa$|\.$/.test(name) ? name : `${name}.shop.svc.cluster.local`;
    mustEqual(answerOf(full, type), expected, { when: `${full} ${type}`, why });
  }
}

check("records: the addresses of each kind of Service", () => mustAnswer(tables.addresses));

check("answers: no data is not the same as no such name", () => {
  mustAnswer(tables.present);
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

check("SRV: a port by its name, with the host that has it", () => mustAnswer(tables.ports));

check("reverse: the name of an address", () => mustAnswer(tables.names));

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
  for (const { limit, additionals, expected, why } of tables.sizes) {
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
