import { isDeepStrictEqual } from "node:util";
import type { Logger } from "@raft2kube/observe/log.ts";
import { recurring } from "@raft2kube/observe/recurring.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { Shares } from "@raft2kube/std/shares.ts";
import {
  FORWARDED_MAX,
  FORWARDED_PER_CLIENT_MAX,
  SHARING_MAX,
  SHARING_PER_CLIENT_MAX,
  UPSTREAM_REST_MS,
  UPSTREAM_TIMEOUT_MS,
  UPSTREAMS_READ_MS,
} from "../limits.ts";
import { type Query, upstreamQuery } from "../wire/message.ts";
import { AnswerCache } from "./cache.ts";
import { exchange } from "./exchange.ts";
import type { Upstream } from "./upstreams.ts";

/** Resolves names through upstream resolvers. */
export interface Forwarder {
  /**
   * Resolves with the complete answer; undefined if no resolver answered, which is logged, or if
   * the client, an address, waits for too many.
   */
  forward(query: Query, client: string): Promise<Buffer | undefined>;
}

export interface ForwarderOptions {
  /** Returns the resolvers to use; called every few seconds. While there are none, the last are. */
  upstreams(): readonly Upstream[];
  clock: Clock;
  log: Logger;
  timeout_ms?: number;
}

/** A resolver, and when it answered last and how long it is asked last; monotonic. */
interface Resolver {
  readonly upstream: Upstream;
  answered_ms: number;
  /** A name that it has not answered, since it answered another. */
  unanswered?: string | undefined;
  /** 0 while it answers. */
  restsUntil_ms: number;
}

/** Notes a name that had no answer; one alone may take it long, as its own servers are silent. */
function noteSilence(resolver: Resolver, name: string, now_ms: number): void {
  const isFirst = [undefined, name].includes(resolver.unanswered);
  resolver.unanswered = name;
  if (!isFirst) resolver.restsUntil_ms = now_ms + UPSTREAM_REST_MS;
}

/** Returns what lists the resolvers, which are read again every UPSTREAMS_READ_MS. */
function resolverList({ upstreams, clock }: ForwarderOptions): () => readonly Resolver[] {
  let resolvers: readonly Resolver[] = [];
  let read_ms = -Infinity;
  return () => {
    if (clock.monotonic() - read_ms < UPSTREAMS_READ_MS) return resolvers;
    read_ms = clock.monotonic();
    const next = upstreams().map((upstream): Resolver => {
      const known = resolvers.find((each) => isDeepStrictEqual(each.upstream, upstream));
      return known ?? { upstream, answered_ms: -1, restsUntil_ms: 0 };
    });
    if (next.length > 0) resolvers = next;
    return resolvers;
  };
}

/**
 * Forwards to the resolvers in order until one answers, caches answers, and sends concurrent equal
 * queries once. A resolver that has answered neither of two names, nor another meanwhile, is asked
 * last for UPSTREAM_REST_MS, and then first by one query: others do not wait for it.
 */
export function createForwarder(options: ForwarderOptions): Forwarder {
  const { clock, log, timeout_ms = UPSTREAM_TIMEOUT_MS } = options;
  const cache = new AnswerCache();
  const shares = new Shares({ all: FORWARDED_MAX, each: FORWARDED_PER_CLIENT_MAX, reserved: 0 });
  const sharing = new Shares({ all: SHARING_MAX, each: SHARING_PER_CLIENT_MAX, reserved: 0 });
  const listed = resolverList(options);
  const inFlight = new Map<string, Promise<Buffer | undefined>>();
  let warned = false;
  const failed = recurring(log, "an upstream resolver failed", clock);
  const refused = recurring(log, "too many forwarded queries", clock);

  async function tryEach(bytes: Buffer, key: string, asked: string, client: string) {
    const now_ms = clock.monotonic();
    const rests = ({ restsUntil_ms }: Resolver) => now_ms < restsUntil_ms;
    const resolvers = listed();
    const awake = resolvers.filter((resolver) => !rests(resolver));
    for (const resolver of [...awake, ...resolvers.filter(rests)]) {
      const begun_ms = clock.monotonic();
      if (resolver.restsUntil_ms > 0) resolver.restsUntil_ms = begun_ms + UPSTREAM_REST_MS;
      try {
        const answer = await exchange(bytes, resolver.upstream, { clock, timeout_ms });
        resolver.answered_ms = clock.monotonic();
        resolver.restsUntil_ms = 0;
        resolver.unanswered = undefined;
        cache.put(key, answer, clock.now(), client);
        return answer;
      } catch (thrown) {
        if (resolver.answered_ms < begun_ms) noteSilence(resolver, asked, clock.monotonic());
        failed({ name: asked, error: messageOf(thrown) });
      }
    }
    return undefined;
  }

  return {
    async forward(query, name) {
      const { question } = query;
      if (listed().length === 0) {
        if (!warned) {
          log.error("no upstream resolver: names outside the cluster cannot be resolved", {
            name: question.name,
            remedy: "add one to /etc/resolv.conf that is not on a loopback address",
          });
        }
        warned = true;
        return undefined;
      }
      const bytes = upstreamQuery(query);
      const key = bytes.toString("latin1");
      const cached = cache.get(key, clock.now());
      if (cached) return cached;
      const awaited = inFlight.get(key);
      const owned = awaited ? sharing : shares;
      if (!owned.fits({ name })) {
        refused({ client: name, all: owned.taken });
        return undefined;
      }
      if (awaited) return owned.during({ name }, () => awaited);
      const give = owned.take({ name });
      const forwarding = tryEach(bytes, key, question.name, name).finally(() => {
        inFlight.delete(key);
        give();
      });
      inFlight.set(key, forwarding);
      return forwarding;
    },
  };
}
