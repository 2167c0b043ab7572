import { shuffled, systemRandom } from "@raft2kube/std/random.ts";
import packet, { type Answer } from "dns-packet";
import type { Forwarder } from "./forward/forwarder.ts";
import { CNAME_CHAIN_MAX } from "./limits.ts";
import {
  type Query,
  RCODE,
  type Rcode,
  type Reply,
  readAnswers,
  relayReply,
  replyOf,
  writeReply,
} from "./wire/message.ts";
import { answerZone, type Zone } from "./zone/answer.ts";
import type { ClusterView } from "./zone/view.ts";

export interface ResolverOptions {
  /** Returns undefined until the view is complete; cluster names are SERVFAIL until then. */
  view: () => ClusterView | undefined;
  zone: Zone;
  forwarder: Forwarder;
}

/**
 * Orders answers by chance, as coredns' plugin loadbalance: clients take the first address, and a
 * datagram has room for a few.
 */
const inAnyOrder = (reply: Reply): Reply => ({
  ...reply,
  answers: shuffled(systemRandom, reply.answers),
});

/** Resolves with the reply to one query of the client at an address, of at most `limit` bytes. */
export type Resolve = (query: Query, limit: number, client: string) => Promise<Buffer>;

/** Makes the function that answers from the zone, and forwards all other names. */
export function createResolver({ view, zone, forwarder }: ResolverOptions): Resolve {
  return async (query, limit, client) => {
    const cluster = view();
    const { question } = query;
    // The reply's record of EDNS says BADVERS.
    if (query.isLaterEdns) return writeReply(query, replyOf(RCODE.NOERROR), limit);
    if (!cluster) return writeReply(query, replyOf(RCODE.SERVFAIL), limit);
    if (question.type === "ANY" || question.type === "AXFR" || question.type === "IXFR") {
      return writeReply(query, replyOf(RCODE.REFUSED), limit);
    }
    const found = answerZone(cluster, zone, question);
    if (found?.kind === "reply") return writeReply(query, inAnyOrder(found.reply), limit);
    if (found?.kind === "cname") {
      const reply = await followCname(cluster, query, client, found);
      return writeReply(query, reply, limit);
    }
    const answer = await forwarder.forward(query, client);
    if (!answer) return writeReply(query, replyOf(RCODE.SERVFAIL), limit);
    return relayReply(query, answer, limit);
  };

  /** Resolves the target of an ExternalName, within the cluster or by forwarding. */
  async function followCname(
    cluster: ClusterView,
    query: Query,
    client: string,
    first: { record: Answer; target: string },
  ): Promise<Reply> {
    const chain: Answer[] = [first.record];
    let target = first.target.toLowerCase().replace(/\.$/, "");
    while (chain.length < CNAME_CHAIN_MAX) {
      const question = { ...query.question, name: target };
      const found = answerZone(cluster, zone, question);
      if (!found) return forwardTarget({ ...query, question }, client, chain);
      if (found.kind === "reply") {
        const { rcode, answers, additionals } = inAnyOrder(found.reply);
        return replyOf(rcode, {
          authoritative: true,
          answers: [...chain, ...answers],
          additionals,
        });
      }
      chain.push(found.record);
      target = found.target.toLowerCase().replace(/\.$/, "");
    }
    return replyOf(RCODE.SERVFAIL, { answers: chain });
  }

  async function forwardTarget(query: Query, client: string, chain: Answer[]): Promise<Reply> {
    const { question } = query;
    const bytes = packet.encode({
      id: 0,
      type: "query",
      flags: packet.RECURSION_DESIRED,
      questions: [question],
      answers: [],
      authorities: [],
      additionals: [],
    });
    const answer = await forwarder.forward(
      { ...query, bytes, udpPayloadSize: undefined, dnssecOk: false },
      client,
    );
    const answers = answer && readAnswers(answer);
    if (!answers) return replyOf(RCODE.SERVFAIL, { answers: chain });
    const rcode = (answer.readUInt8(3) & 0x0f) as Rcode;
    return replyOf(rcode, { answers: [...chain, ...answers] });
  }
}
