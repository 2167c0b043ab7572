import type { Logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { FORWARDED_MAX, UPSTREAM_TIMEOUT_MS } from "../limits.ts";
import type { Query } from "../wire/message.ts";
import { AnswerCache } from "./cache.ts";
import { exchange } from "./exchange.ts";
import type { Upstream } from "./upstreams.ts";

/** Resolves names through upstream resolvers. */
export interface Forwarder {
  /** Resolves with the complete answer; undefined if no resolver answered, which is logged. */
  forward(query: Query): Promise<Buffer | undefined>;
}

export interface ForwarderOptions {
  upstreams: readonly Upstream[];
  clock: Clock;
  log: Logger;
  timeout_ms?: number;
}

/**
 * Forwards to the resolvers in order until one answers, caches answers, and sends concurrent equal
 * queries once.
 */
export function createForwarder(options: ForwarderOptions): Forwarder {
  const { upstreams, clock, log, timeout_ms = UPSTREAM_TIMEOUT_MS } = options;
  const cache = new AnswerCache();
  const inFlight = new Map<string, Promise<Buffer | undefined>>();
  let warned = false;

  async function tryEach({ bytes, question }: Query, key: string): Promise<Buffer | undefined> {
    for (const upstream of upstreams) {
      try {
        const answer = await exchange(bytes, upstream, { clock, timeout_ms });
        cache.put(key, answer, clock.now());
        return answer;
      } catch (thrown) {
        log.warn("an upstream resolver failed", { name: question.name, error: messageOf(thrown) });
      }
    }
    return undefined;
  }

  return {
    async forward(query) {
      const { question, udpPayloadSize } = query;
      if (upstreams.length === 0) {
        if (!warned) {
          log.error("no upstream resolver: names outside the cluster cannot be resolved", {
            name: question.name,
            remedy: "add one to /etc/resolv.conf that is not on a loopback address",
          });
        }
        warned = true;
        return undefined;
      }
      // Answers depend on EDNS and on flags such as DO and CD, so these are part of the key.
      const flags = query.bytes.readUInt16BE(2) & 0x0110;
      const edns = udpPayloadSize === undefined ? "" : "edns";
      const key = `${question.name.toLowerCase()} ${question.type} ${flags} ${edns}`;
      const cached = cache.get(key, clock.now());
      if (cached) return cached;
      let forwarding = inFlight.get(key);
      if (!forwarding) {
        if (inFlight.size >= FORWARDED_MAX) {
          log.warn("too many forwarded queries", { limit: FORWARDED_MAX });
          return undefined;
        }
        forwarding = tryEach(query, key).finally(() => inFlight.delete(key));
        inFlight.set(key, forwarding);
      }
      return forwarding;
    },
  };
}
