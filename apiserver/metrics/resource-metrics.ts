import { Count, Spread } from "@raft2kube/observe/families.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { REQUEST_BOUNDS_S } from "./bounds.ts";

/** Calls of one kind to the store. */
export class StoreCalls {
  readonly requests = new Count();
  readonly errors = new Count();
  readonly durations = new Spread(REQUEST_BOUNDS_S);
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts and times one. */
  async timed<T>(call: Promise<T>): Promise<T> {
    const from_ms = this.#clock.monotonic();
    this.requests.add();
    try {
      return await call;
    } catch (thrown) {
      this.errors.add();
      throw thrown;
    } finally {
      this.durations.observe((this.#clock.monotonic() - from_ms) / 1_000);
    }
  }
}

/** What is asked of the store about one resource, by upstream's words for it. */
export const STORE_OPERATIONS = ["get", "list", "create", "update", "delete"] as const;

export type StoreOperation = (typeof STORE_OPERATIONS)[number];

const LEASE_BOUNDS = [10, 50, 100, 500, 1_000, 2_500, 5_000];

/** What is counted of one resource in the store. */
export class StoreMetrics {
  readonly calls: Readonly<Record<StoreOperation, StoreCalls>>;
  /** Lists answered from the store: how many, and the objects read, looked at and given. */
  readonly lists = new Count();
  readonly listFetched = new Count();
  readonly listEvaluated = new Count();
  readonly listReturned = new Count();
  readonly decodeErrors = new Count();
  /** Events of the store's watch, and its notices of progress. */
  readonly events = new Count();
  readonly bookmarks = new Count();
  /** Objects that each lease was given to. */
  readonly leaseObjects = new Spread(LEASE_BOUNDS);

  constructor(clock: Clock = systemClock()) {
    const calls = STORE_OPERATIONS.map((each) => [each, new StoreCalls(clock)] as const);
    this.calls = Object.fromEntries(calls) as Record<StoreOperation, StoreCalls>;
  }
}

const READ_WAIT_BOUNDS_S = REQUEST_BOUNDS_S.filter((bound) => bound <= 3);

/** What is counted of one resource's watch caches. */
export class CacheMetrics {
  readonly initializations = new Count();
  readonly received = new Count();
  readonly dispatched = new Count();
  /** Objects that watches began with. */
  readonly initial = new Count();
  /** Watchers closed because they did not read. */
  readonly terminated = new Count();
  readonly lists = new Count();
  readonly listFetched = new Count();
  readonly listReturned = new Count();
  /** Reads that had to be newest: answered from the cache, or by the store instead. */
  readonly consistent = new Count();
  readonly consistentByStore = new Count();
  readonly readWaits = new Spread(READ_WAIT_BOUNDS_S);
}

/** What is counted of one resource: its versions share it, as they share what is stored. */
export class ResourceMetrics {
  readonly group: string;
  readonly resource: string;
  readonly store: StoreMetrics;
  readonly cache: CacheMetrics = new CacheMetrics();

  constructor(group: string, resource: string, clock: Clock) {
    this.group = group;
    this.resource = resource;
    this.store = new StoreMetrics(clock);
  }
}
