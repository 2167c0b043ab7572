import type { Logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { FORWARDS_MAX, UPSTREAM_TIMEOUT_MS } from "../limits.ts";
import type { Query } from "../wire/message.ts";
import { AnswerCache } from "./cache.ts";
import { exchange } from "./exchange.ts";
import type { Upstream } from "./upstreams.ts";

/** Asks resolvers elsewhere. */
export interface Forwarder {
  /** Their answer, whole; undefined when none gave one, which is logged. */
  ask(query: Query): Promise<Buffer | undefined>;
}

export interface ForwarderOptions {
  upstreams: readonly Upstream[];
  clock: Clock;
  log: Logger;
  timeout_ms?: number;
}

/**
 * Forwards to the first resolver that answers, keeps answers for a while, and asks once for
 * questions that come at the same time.
 */
export function createForwarder(options: ForwarderOptions): Forwarder {
  const { upstreams, clock, log, timeout_ms = UPSTREAM_TIMEOUT_MS } = options;
  const cache = new AnswerCache();
  const underWay = new Map<string, Promise<Buffer | undefined>>();
  let warned = false;

  async function askAll({ bytes, question }: Query, key: string): Promise<Buffer | undefined> {
    for (const upstream of upstreams) {
      try {
        const answer = await exchange(bytes, upstream, { clock, timeout_ms });
        cache.put(key, answer, clock.now());
        return answer;
      } catch (thrown) {
        log.warn("a resolver failed", { name: question.name, error: messageOf(thrown) });
      }
    }
    return undefined;
  }

  return {
    async ask(query) {
      const { question, udpPayloadSize } = query;
      if (upstreams.length === 0) {
        if (!warned) {
          log.error("no resolver is known: names outside the cluster cannot be found", {
            name: question.name,
            remedy: "name one in /etc/resolv.conf, not on a loopback address",
          });
        }
        warned = true;
        return undefined;
      }
      // An answer with EDNS is only for who sent it; flags such as DO and CD change the answer.
      const flags = query.bytes.readUInt16BE(2) & 0x0110;
      const edns = udpPayloadSize === undefined ? "" : "edns";
      const key = `${question.name.toLowerCase()} ${question.type} ${flags} ${edns}`;
      const kept = cache.get(key, clock.now());
      if (kept) return kept;
      let asking = underWay.get(key);
      if (!asking) {
        if (underWay.size >= FORWARDS_MAX) {
          log.warn("too many questions for resolvers at once", { limit: FORWARDS_MAX });
          return undefined;
        }
        asking = askAll(query, key).finally(() => underWay.delete(key));
        underWay.set(key, asking);
      }
      return asking;
    },
  };
}
