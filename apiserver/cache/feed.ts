import type { Kind } from "@raft2kube/api/kind.ts";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import type { EtcdClient, WatchStream } from "@raft2kube/client-etcd/client.ts";
import { isEtcdError } from "@raft2kube/client-etcd/errors.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { timed } from "@raft2kube/observe/timed.ts";
import {
  type Event,
  Event_EventType,
  type KeyValue,
  type WatchResponse,
} from "@raft2kube/proto/gen/etcd.ts";
import { assert } from "@raft2kube/std/assert.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { CodedError, messageOf } from "@raft2kube/std/errors.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { FEED_RETRY_MS, FRESH_WAIT_MS, PROGRESS_RETRY_MS, STORE_PAGE_KEYS } from "../limits.ts";
import type { Entry } from "../object/entry.ts";
import { prefixOf } from "../storage/keys.ts";
import type { ObjectStore } from "../storage/object-store.ts";
import type { Row } from "../storage/rows.ts";
import { prefixEnd } from "../storage/rows.ts";
import { inVersionOf } from "../storage/stored-versions.ts";
import { entryOfRow } from "./entry-of-row.ts";
import type { WatchCache } from "./watch-cache.ts";

const log = logger("apiserver");

/** The store no longer has the history at which the feed would continue: it must list again. */
class CompactedError extends CodedError {
  constructor(revision: number) {
    super("COMPACTED", `the store is compacted up to revision ${revision}`);
  }
}

/** The objects that a feed follows. */
type Source = Pick<ObjectStore, "kind" | "rows" | "recent" | "metrics">;

/** The target of a feed, which is kept equal to the store. */
export type FeedTarget = Pick<WatchCache, "revision" | "moved" | "reset" | "apply" | "progress"> &
  Partial<Pick<WatchCache, "closeWatchers">>;

export interface FeedOptions {
  clock: Clock;
  /** The first listing shows this revision, if the store still has it; else the newest. */
  since: number | undefined;
}

/** Keeps one cache equal to the store: a listing, then one watch from its revision without end. */
export class Feed {
  readonly #kind: Kind;
  readonly #etcd: EtcdClient;
  readonly #store: Source;
  readonly #cache: FeedTarget;
  readonly #clock: Clock;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  #since: number | undefined;
  #stream: WatchStream | undefined;
  /** The store could not be followed at the last attempt. */
  #away = false;
  /** The first listing; a conversion webhook that fails rejects it, and another is awaited. */
  #listed = pending();
  #isWhole = false;
  /** Why the cache cannot be kept equal to the store: objects in it cannot be converted. */
  #broken: ApiError | undefined;

  constructor(store: Source, etcd: EtcdClient, cache: FeedTarget, options: FeedOptions) {
    this.#kind = store.kind;
    this.#store = store;
    this.#etcd = etcd;
    this.#cache = cache;
    this.#clock = options.clock;
    this.#since = options.since;
    this.#running = this.#run();
  }

  /**
   * Resolves once the cache holds the first listing. Rejects with an ApiError while objects cannot
   * be converted to the version of the cache.
   */
  get ready(): Promise<void> {
    return this.#broken === undefined ? this.#listed.promise : Promise.reject(this.#broken);
  }

  /** Whether the cache has had its first listing, and no object since that cannot be converted. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  async close(): Promise<void> {
    this.#stop.abort();
    this.#stream?.close();
    this.#listed.reject(new CodedError("CLOSING", "the apiserver is closing"));
    await this.#running;
  }

  /**
   * Waits until the cache shows `revision` of the store, asking the store how far the watch is;
   * false when the answer does not come in time.
   */
  async catchUp(revision: number): Promise<boolean> {
    const end_ms = this.#clock.now() + FRESH_WAIT_MS;
    while (this.#cache.revision < revision) {
      const over = this.#clock.now() >= end_ms || this.#stop.signal.aborted;
      if (over || this.#stream === undefined) return false;
      this.#stream.requestProgress();
      const patience = new AbortController();
      const timer = this.#clock.after(PROGRESS_RETRY_MS, () => patience.abort());
      await this.#cache.moved(patience.signal);
      timer.cancel();
    }
    return true;
  }

  async #run(): Promise<void> {
    let from: number | undefined;
    while (!this.#stop.signal.aborted) {
      try {
        // A cache that broke at an event is whole once that is applied, not before.
        if (from === undefined) {
          from = await this.#list();
          this.#whole();
        }
        // The stream of a signal that is aborted already would never end.
        if (this.#stop.signal.aborted) return;
        await this.#follow(from + 1);
        from = this.#cache.revision;
      } catch (thrown) {
        if (this.#stop.signal.aborted) return;
        from = thrown instanceof CompactedError ? undefined : from && this.#cache.revision;
        if (thrown instanceof ApiError) this.#break(thrown);
        this.#complain(messageOf(thrown));
      }
      await delay(this.#clock, FEED_RETRY_MS, this.#stop.signal);
    }
  }

  #whole(): void {
    this.#isWhole = true;
    this.#broken = undefined;
    this.#listed.resolve();
  }

  /** Requests that wait get the error, watches end: their clients get it when they come again. */
  #break(error: ApiError): void {
    this.#isWhole = false;
    this.#broken = error;
    this.#listed.reject(error);
    this.#listed = pending();
    this.#cache.closeWatchers?.();
  }

  async #list(): Promise<number> {
    this.#store.metrics.lists.add();
    return await this.#relist(await this.#firstRevision());
  }

  /** Says once that the store is away, not at each attempt. */
  #complain(reason: string): void {
    const say = this.#away ? log.debug : log.warn;
    say("the store's watch broke", { kind: this.#kind.kind, reason });
    this.#away = true;
  }

  /** The revision to list at: once the one asked for, if the store has it; else 0, the newest. */
  async #firstRevision(): Promise<number> {
    const since = this.#since;
    this.#since = undefined;
    if (since === undefined || since <= 0) return 0;
    try {
      await this.#store.rows.range(prefixOf(this.#kind), { limit: 1, revision: since });
      return since;
    } catch (thrown) {
      if (isEtcdError(thrown, "compacted") || isEtcdError(thrown, "futureRevision")) return 0;
      throw thrown;
    }
  }

  /**
   * Reads all objects of the kind at one revision, in pages of `STORE_PAGE_KEYS`, resets the cache
   * to them, and resolves to that revision. `from` is the first page's (0 is the newest); the
   * others are read at the revision that the first one had. Rows that do not decode are left out.
   * Pauses when its slice of time is over.
   */
  async #relist(from: number): Promise<number> {
    // lab:07b begin relist
    const prefix = prefixOf(this.#kind);
    const entries: Entry[] = [];
    const slices = new Slices();
    let start = prefix;
    let revision = from;
    for (;;) {
      const page = await this.#store.rows.range(prefix, {
        start,
        limit: STORE_PAGE_KEYS,
        revision,
      });
      revision = page.revision;
      for (const row of await inVersionOf(this.#kind, this.#rowsOf(page.kvs))) {
        const entry = this.#decode(row);
        if (entry) entries.push(entry);
        if (slices.due) await slices.pause();
      }
      if (!page.more) break;
      start = `${page.kvs.at(-1)!.key.toString("utf8")}\0`;
    }
    timed(`cache ${this.#kind.plural}: reset`, () => this.#cache.reset(entries, revision));
    return revision;
    // lab:07b end
  }

  /**
   * A row that does not decode is left out and named: one broken object must not hide the others.
   */
  #decode(row: Row): Entry | undefined {
    return this.#isolated(
      row.key,
      () => this.#store.recent.entryOf(row) ?? entryOfRow(this.#kind, row),
    );
  }

  #rowsOf(kvs: readonly KeyValue[]): Row[] {
    const { rows } = this.#store;
    return kvs.flatMap((kv) => this.#isolated(kv.key.toString("utf8"), () => rows.rowOf(kv)) ?? []);
  }

  #isolated<T>(key: string, read: () => T): T | undefined {
    try {
      return read();
    } catch (thrown) {
      log.error("an object in the store does not decode", { key, reason: messageOf(thrown) });
      return undefined;
    }
  }

  async #follow(startRevision: number): Promise<void> {
    const stream = this.#etcd.watch({ signal: this.#stop.signal });
    this.#stream = stream;
    const prefix = prefixOf(this.#kind);
    stream.create({
      key: Buffer.from(prefix),
      rangeEnd: prefixEnd(prefix),
      startRevision,
      progressNotify: true,
    });
    try {
      for await (const response of stream) await this.#take(response);
    } finally {
      stream.close();
    }
  }

  /**
   * Takes one response of the store's watch: applies its events; one without events says that
   * nothing up to its header's revision is missing, which is progress. `created` says that the
   * watch is there; its header is no progress. Rejects with CompactedError, or with WATCH_ENDED and
   * the store's reason, when the watch was canceled.
   */
  async #take(response: WatchResponse): Promise<void> {
    // lab:07b begin take
    if (response.canceled) {
      if (response.compactRevision > 0) throw new CompactedError(response.compactRevision);
      const why = `the store ended the watch: ${response.cancelReason}`;
      throw new CodedError("WATCH_ENDED", why);
    }
    if (response.created) {
      if (this.#away) log.info("the store's watch goes on", { kind: this.#kind.kind });
      this.#away = false;
      return;
    }
    await this.#applyAll(response.events);
    const revision = response.header?.revision ?? 0;
    // Without events a response is the store's word that nothing before its revision is missing.
    if (response.events.length === 0) this.#progress(revision);
    // lab:07b end
  }

  #progress(revision: number): void {
    this.#store.metrics.bookmarks.add();
    this.#cache.progress(revision);
  }

  /**
   * Applies events. Others run in between only at the end of a revision, whose events are seen
   * together.
   */
  async #applyAll(events: readonly Event[]): Promise<void> {
    const puts = events
      .filter(({ type }) => type !== Event_EventType.DELETE)
      .flatMap(({ kv }) => kv ?? []);
    const preparing = this.#store.rows.prepare(puts);
    if (preparing !== undefined) await preparing;
    const converted = this.#kind.convert && (await this.#convertedOf(events));
    const slices = new Slices();
    let last = 0;
    for (const event of events) {
      const revision = event.kv?.modRevision ?? 0;
      if (revision !== last && slices.due) await slices.pause();
      last = revision;
      this.#applyEvent(event, converted);
    }
    if (this.#broken !== undefined) this.#whole();
  }

  /** The rows of events by their names, in the version of the cache. */
  async #convertedOf(events: readonly Event[]): Promise<Map<string, Row>> {
    const puts = events.filter(({ type }) => type !== Event_EventType.DELETE);
    const rows = await inVersionOf(this.#kind, this.#rowsOf(puts.map(({ kv }) => kv!)));
    return new Map(rows.map((row) => [rowName(row), row]));
  }

  #applyEvent(event: Event, converted: ReadonlyMap<string, Row> | undefined): void {
    const { kv } = event;
    assert(kv !== undefined, "a watch event without its key");
    this.#store.metrics.events.add();
    const key = kv.key.toString("utf8");
    const revision = kv.modRevision;
    if (event.type === Event_EventType.DELETE) {
      this.#cache.apply({ type: "delete", revision, key });
      return;
    }
    const row = converted ? converted.get(rowName({ key, revision })) : this.#rowsOf([kv])[0];
    const entry = row && this.#decode(row);
    // The previous object is removed: a list of the store does not return it either.
    this.#cache.apply(entry ? { type: "put", revision, entry } : { type: "delete", revision, key });
  }
}

/** A promise whose failure is that of its waiters alone. */
function pending(): PromiseWithResolvers<void> {
  const made = Promise.withResolvers<void>();
  made.promise.catch(() => undefined);
  return made;
}

/** Names a state of a row: a key may be in one answer several times. */
const rowName = ({ key, revision }: Pick<Row, "key" | "revision">): string => `${revision} ${key}`;
