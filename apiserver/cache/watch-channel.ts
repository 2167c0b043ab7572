import { internal } from "@raft2kube/apimachinery/errors/catalog.ts";
import type { Histogram } from "@raft2kube/observe/families.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { Chunk } from "./chunk.ts";
import type { WatchEncoder, WatchItem } from "./event.ts";
import type { Flushable, Flusher } from "./flusher.ts";
import { UNSHOWN, type Watcher } from "./watcher.ts";

const log = logger("apiserver");

/** An event, with the bytes of the object that it replaced. */
type Pending = { readonly revision: number; readonly bytes: Buffer; readonly replaced: number };

/** Watchers between two looks at the time. */
const STEP_WATCHERS = 16;

/** The watchers that see the same events in the same form: each event is made for them once. */
export class WatchChannel implements Flushable {
  readonly encoder: WatchEncoder;
  readonly bookmarks: boolean;
  readonly #flusher: Flusher;
  readonly #sizes: Histogram;
  readonly #watchers = new Set<Watcher>();
  #pending: Pending[] = [];

  constructor(init: {
    encoder: WatchEncoder;
    bookmarks: boolean;
    flusher: Flusher;
    sizes: Histogram;
  }) {
    this.encoder = init.encoder;
    this.bookmarks = init.bookmarks;
    this.#flusher = init.flusher;
    this.#sizes = init.sizes;
  }

  get watchers(): ReadonlySet<Watcher> {
    return this.#watchers;
  }

  join(watcher: Watcher): void {
    this.#watchers.add(watcher);
  }

  leave(watcher: Watcher): void {
    this.#watchers.delete(watcher);
  }

  /**
   * Sends with the next flush, and observes the size as often as there are watchers. Encodings made
   * for other channels are in `shared`.
   */
  push(
    item: Exclude<WatchItem, { type: "ERROR" }>,
    shared: Map<string, Buffer>,
    replaced = 0,
  ): void {
    // lab:07b begin channel-push
    const form = `${item.type} ${this.encoder.id}`;
    let bytes = shared.get(form);
    if (bytes === undefined) {
      bytes = this.#encoded(item);
      if (bytes === undefined) return;
      shared.set(form, bytes);
    }
    this.#sizes.observe(bytes.length, this.#watchers.size);
    this.#pending.push({ revision: item.revision, bytes, replaced });
    this.#flusher.mark(this);
    // lab:07b end
  }

  /** An event that this encoder cannot encode ends its own watches only. */
  #encoded(item: WatchItem): Buffer | undefined {
    try {
      return this.encoder.encode(item);
    } catch (thrown) {
      const { id: form } = this.encoder;
      log.error("an event could not be encoded", { form, reason: messageOf(thrown) });
      for (const watcher of [...this.#watchers]) watcher.fail(internal(UNSHOWN));
      return undefined;
    }
  }

  /**
   * Delivers all pending events to each watcher as one chunk, shared by all, and leaves none
   * pending; a watcher gets only events with revisions above its `start`. Yields after each
   * `STEP_WATCHERS` watchers, so that others run in between.
   */
  *flush(): Generator<void> {
    // lab:07b begin channel-flush
    const pending = this.#pending;
    this.#pending = [];
    const [first] = pending;
    if (first === undefined) return;
    const whole = chunkOf(pending);
    let sent = 0;
    for (const watcher of this.#watchers) {
      // One that came while this waited knows the first of it already.
      const { start } = watcher;
      if (start < first.revision) watcher.deliver(whole);
      else watcher.deliver(chunkOf(pending.filter(({ revision }) => revision > start)));
      if (++sent % STEP_WATCHERS === 0) yield;
    }
    // lab:07b end
  }
}

function chunkOf(pending: readonly Pending[]): Chunk {
  const parts = pending.map(({ bytes }) => bytes);
  const replaced = pending.reduce((sum, each) => sum + each.replaced, 0);
  return new Chunk(parts.length === 1 ? parts[0]! : Buffer.concat(parts), parts.length, replaced);
}
