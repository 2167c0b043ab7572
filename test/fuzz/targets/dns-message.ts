import { AnswerCache, timeToLive } from "@raft2kube/dns/forward/cache.ts";
import {
  datagramLimit,
  RCODE,
  readQuery,
  relayReply,
  replyOf,
  writeError,
  writeReply,
} from "@raft2kube/dns/wire/message.ts";
import packet from "dns-packet";
import type { Fate, Target } from "../target.ts";

const question = { name: "web.default.svc.cluster.local", type: "A", class: "IN" };
const opt = {
  name: ".",
  type: "OPT" as const,
  udpPayloadSize: 1232,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  options: [],
};
const soa = {
  mname: "ns.example.com",
  rname: "root.example.com",
  serial: 1,
  refresh: 2,
  retry: 3,
  expire: 4,
  minimum: 5,
};
const NONE = { answers: [], authorities: [], additionals: [] };

/** Queries as a pod sends them, and answers as a resolver outside does. */
export const dnsMessage: Target = {
  name: "dns-message",
  async corpus() {
    const query = { id: 7, type: "query" as const, flags: 0x100, questions: [question], ...NONE };
    const response = { ...query, type: "response" as const };
    const name = question.name;
    return [
      packet.encode(query),
      packet.encode({ ...query, additionals: [opt] }),
      packet.encode({ ...query, questions: [{ ...question, type: "SRV" }] }),
      packet.encode({ ...response, answers: [{ name, type: "A", ttl: 5, data: "10.0.0.1" }] }),
      packet.encode({
        ...response,
        answers: [
          { name, type: "CNAME", ttl: 5, data: "example.com" },
          { name: "example.com", type: "TXT", ttl: 5, data: ["text"] },
        ],
      }),
      packet.encode({
        ...response,
        authorities: [{ name: "com", type: "SOA", ttl: 9, data: soa }],
      }),
    ];
  },
  async read(bytes) {
    const [asked, answered] = [readAsQuery(bytes), readAsAnswer(bytes)];
    return asked === "taken" || answered === "taken" ? "taken" : "refused";
  },
};

/** Reads a datagram as the servers do, with every kind of answer of the resolver. */
function readAsQuery(bytes: Buffer): Fate {
  const query = readQuery(bytes);
  if (query === undefined) return "refused";
  if (typeof query === "number") {
    writeError(bytes, query);
    return "refused";
  }
  const limit = datagramLimit(query);
  const answers = [{ name: query.question.name, type: "A" as const, ttl: 5, data: "10.0.0.1" }];
  for (const reply of [replyOf(RCODE.SERVFAIL), replyOf(RCODE.NOERROR, { answers })]) {
    const written = writeReply(query, reply, limit);
    if (written.length > limit) throw new Error(`${written.length} bytes, over ${limit}`);
  }
  return "taken";
}

/** Reads another server's answer as the forwarder does; a caller catches RangeError. */
function readAsAnswer(bytes: Buffer): Fate {
  if (bytes.length < 12) return "refused";
  try {
    timeToLive(bytes);
    const cache = new AnswerCache();
    cache.put("key", bytes, 0, "10.0.0.1");
    cache.get("key", 1_000);
    const query = readQuery(
      packet.encode({ id: 9, type: "query", flags: 0, questions: [question], ...NONE }),
    );
    if (typeof query === "object") relayReply(query, bytes, 512);
    return "taken";
  } catch (thrown) {
    if (thrown instanceof RangeError) return "refused";
    throw thrown;
  }
}
