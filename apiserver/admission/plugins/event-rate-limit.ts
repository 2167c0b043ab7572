import type { Event } from "@raft2kube/api/gen/core/v1.ts";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { aggregateOf } from "@raft2kube/std/errors.ts";
import { RecentMap } from "@raft2kube/std/recent-map.ts";
import { TokenBucket } from "@raft2kube/std/token-bucket.ts";
import type { EventLimit } from "../configuration.ts";
import type { AdmissionContext } from "../context.ts";
import type { AdmissionPlugin, AdmissionRequest } from "../plugin.ts";

/** The key of the bucket that a request takes from. */
const KEYS: Readonly<Record<EventLimit["type"], (request: AdmissionRequest) => string>> = {
  Server: () => "",
  Namespace: ({ namespace }) => namespace,
  User: ({ user }) => user.name,
  SourceAndObject({ object }) {
    const { source = {}, involvedObject = {} } = object as Partial<Event>;
    const { kind, namespace, name, uid, apiVersion } = involvedObject;
    return [source.component, source.host, kind, namespace, name, uid, apiVersion].join("");
  },
};

/** Token buckets by key; the longest unused is forgotten, and starts full again. */
class Buckets {
  readonly #limit: EventLimit;
  readonly #clock: Clock;
  readonly #buckets: RecentMap<string, TokenBucket>;

  constructor(limit: EventLimit, clock: Clock) {
    this.#limit = limit;
    this.#buckets = new RecentMap(limit.cacheSize);
    this.#clock = clock;
  }

  /** Takes a token of the request's bucket; returns why there is none. */
  take(request: AdmissionRequest): string | undefined {
    const { type, qps, burst } = this.#limit;
    const key = KEYS[type](request);
    const bucket =
      this.#buckets.get(key) ?? new TokenBucket(this.#clock, { capacity: burst, perSecond: qps });
    this.#buckets.set(key, bucket);
    return bucket.take() ? undefined : `limit reached on type ${type} for key ${key}`;
  }
}

/** Bounds the rate at which Events are written: of all, of a namespace, a user or an object. */
export function eventRateLimit({ clock, configuration }: AdmissionContext): AdmissionPlugin {
  const limits = configuration.eventLimits.map((limit) => new Buckets(limit, clock));
  return {
    name: "EventRateLimit",
    validate(request) {
      const { kind } = request.resource;
      const isWrite = request.operation === "CREATE" || request.operation === "UPDATE";
      if (!isWrite || request.dryRun || kind.kind !== "Event" || kind.group !== "") return;
      const reached = limits.flatMap((limit) => limit.take(request) ?? []);
      if (reached.length === 0) return;
      const message = aggregateOf(reached);
      throw new ApiError({ code: 429, reason: "TooManyRequests", message });
    },
  };
}
