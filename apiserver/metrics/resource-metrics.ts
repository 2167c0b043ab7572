import { Counter, Histogram } from "@raft2kube/observe/families.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { Known, REQUEST_BOUNDS_S } from "./families.ts";

/** Calls of one kind to the store. */
export class StoreCalls {
  readonly requests = new Counter();
  readonly errors = new Counter();
  readonly durations = new Histogram(REQUEST_BOUNDS_S);
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

/** Store operations on one resource, under upstream's names. */
export const STORE_OPERATIONS = ["get", "list", "create", "update", "delete"] as const;

export type StoreOperation = (typeof STORE_OPERATIONS)[number];

const LEASE_BOUNDS = [10, 50, 100, 500, 1_000, 2_500, 5_000];

/** The counters of one resource in the store. */
export class StoreMetrics {
  readonly calls: Readonly<Record<StoreOperation, StoreCalls>>;
  /** Lists answered from the store: how many, and the objects read and given. */
  readonly lists = new Counter();
  readonly listFetched = new Counter();
  readonly listReturned = new Counter();
  readonly decodeErrors = new Counter();
  /** Events of the store's watch, and its notices of progress. */
  readonly events = new Counter();
  readonly bookmarks = new Counter();
  /** Objects that each lease was given to. */
  readonly leaseObjects = new Histogram(LEASE_BOUNDS);

  constructor(clock: Clock = systemClock()) {
    const calls = STORE_OPERATIONS.map((each) => [each, new StoreCalls(clock)] as const);
    this.calls = Object.fromEntries(calls) as Record<StoreOperation, StoreCalls>;
  }
}

const READ_WAIT_BOUNDS_S = REQUEST_BOUNDS_S.filter((bound) => bound <= 3);

/** The counters of one resource's watch caches. */
export class CacheMetrics {
  readonly initializations = new Counter();
  readonly dispatched = new Counter();
  /** Objects that watches started with. */
  readonly initial = new Counter();
  /** Watchers closed because they did not read. */
  readonly terminated = new Counter();
  readonly lists = new Counter();
  readonly listFetched = new Counter();
  readonly listReturned = new Counter();
  /** Reads that had to be newest: answered from the cache, or by the store instead. */
  readonly consistent = new Counter();
  readonly consistentByStore = new Counter();
  readonly readWaits = new Histogram(READ_WAIT_BOUNDS_S);
}

/** The counters of one resource: its versions share them, as they share the stored objects. */
export class ResourceMetrics {
  readonly group: string;
  readonly resource: string;
  readonly store: StoreMetrics;
  readonly cache: CacheMetrics = new CacheMetrics();

  constructor(group: string, resource: string, clock: Clock) {
    this.store = new StoreMetrics(clock);
    this.group = group;
    this.resource = resource;
  }
}

const SIZE_BOUNDS = Array.from({ length: 8 }, (_, i) => 1_024 * 2 ** i);
const LIST_BOUNDS_S = [0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 2, 4, 6, 8, 10, 15, 20, 30, 45, 60];

/** The counters of the watches of one version of a resource. */
export class WatchMetrics {
  /** Bytes of each event that was sent, as often as it was. */
  readonly sizes: Histogram = new Histogram(SIZE_BOUNDS);
  readonly #lists = new Known<Histogram>();

  /** Time until a watch that starts with all objects has sent them, by scope. */
  listedIn(scope: string): Histogram {
    return this.#lists.of(scope, () => new Histogram(LIST_BOUNDS_S));
  }

  get lists(): [scope: string, histogram: Histogram][] {
    return this.#lists.entries();
  }
}
