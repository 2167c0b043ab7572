import { isDeepStrictEqual } from "node:util";
import type { Logger } from "@raft2kube/observe/log.ts";
import { recurring } from "@raft2kube/observe/recurring.ts";
import { AddressPlaces } from "@raft2kube/std/address-places.ts";
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
import { type ExchangeLimits, exchange } from "./exchange.ts";
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
 * Sends a query for a name to the resolvers, those that rest last, until one answers; undefined if
 * none does, which is reported, or when the signal comes.
 */
async function tryEach(
  bytes: Buffer,
  resolvers: readonly Resolver[],
  asked: { readonly name: string; failed(words: { name: string; error: string }): void },
  limits: ExchangeLimits,
): Promise<Buffer | undefined> {
  const { clock, signal } = limits;
  const now_ms = clock.monotonic();
  const rests = ({ restsUntil_ms }: Resolver) => now_ms < restsUntil_ms;
  const awake = resolvers.filter((resolver) => !rests(resolver));
  for (const resolver of [...awake, ...resolvers.filter(rests)]) {
    const begun_ms = clock.monotonic();
    if (resolver.restsUntil_ms > 0) resolver.restsUntil_ms = begun_ms + UPSTREAM_REST_MS;
    try {
      const answer = await exchange(bytes, resolver.upstream, limits);
      resolver.answered_ms = clock.monotonic();
      resolver.restsUntil_ms = 0;
      resolver.unanswered = undefined;
      return answer;
    } catch (thrown) {
      if (signal.aborted) return undefined;
      const { name } = asked;
      if (resolver.answered_ms < begun_ms) noteSilence(resolver, name, clock.monotonic());
      asked.failed({ name, error: messageOf(thrown) });
    }
  }
  return undefined;
}

/**
 * Forwards to the resolvers in order until one answers, caches answers, and sends concurrent equal
 * queries once. A resolver that has answered neither of two names, nor another meanwhile, is asked
 * last for UPSTREAM_REST_MS, and then first by one query: others do not wait for it.
 */
export function createForwarder(options: ForwarderOptions): Forwarder {
  const { clock, log, timeout_ms = UPSTREAM_TIMEOUT_MS } = options;
  const cache = new AnswerCache();
  const places = new AddressPlaces({ all: FORWARDED_MAX, ofAddress: FORWARDED_PER_CLIENT_MAX });
  const sharing = new Shares({ all: SHARING_MAX, each: SHARING_PER_CLIENT_MAX, reserved: 0 });
  const listed = resolverList(options);
  const inFlight = new Map<string, Promise<Buffer | undefined>>();
  let warned = false;
  const failed = recurring(log, "an upstream resolver failed", clock);
  const refused = recurring(log, "too many forwarded queries", clock);

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
      if (awaited) {
        if (sharing.fits({ name })) return sharing.during({ name }, () => awaited);
        refused({ client: name });
        return undefined;
      }
      const displaced = new AbortController();
      const destroy = () => {
        refused({ client: name });
        displaced.abort();
      };
      const leave = places.take({ remoteAddress: name, destroy });
      if (!leave) return undefined;
      const limits = { clock, timeout_ms, signal: displaced.signal };
      const asked = { name: question.name, failed };
      const forwarding = tryEach(bytes, listed(), asked, limits).finally(() => {
        inFlight.delete(key);
        leave();
      });
      inFlight.set(key, forwarding);
      const answer = await forwarding;
      if (answer) cache.put(key, answer, clock.now(), name);
      return answer;
    },
  };
}
