import { logger } from "@raft2kube/observe/log.ts";
import { Backoff } from "@raft2kube/reconcile/backoff.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf, tolerate } from "@raft2kube/std/errors.ts";
import { type Random, systemRandom } from "@raft2kube/std/random.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { isExpired } from "../errors.ts";
import { REFLECTOR_BACKOFF_MS, REFLECTOR_BACKOFF_MS_MAX, WATCH_TIMEOUT_S } from "../limits.ts";
import type { KubeList, KubeObject } from "../object/object.ts";
import type { ListOptions, Selection } from "../rest/query.ts";
import type { ResourceClient } from "../rest/resource-client.ts";
import type { WatchEvent } from "../rest/watch.ts";

/** Receives a resource from a reflector: first all objects, then each change in order. */
export interface ReflectorSink<T> {
  /** Everything there is, as of one revision; what is not in it is gone. */
  replace(objects: T[]): void;
  apply(event: WatchEvent<T> & { type: "ADDED" | "MODIFIED" | "DELETED" }): void;
}

export interface ReflectorOptions<T extends KubeObject> {
  resource: ResourceClient<T>;
  selection?: Selection;
  metadataOnly?: boolean;
  sink: ReflectorSink<T>;
  clock: Clock;
  random?: Random;
}

const log = logger("client-kube");

/**
 * Keeps a sink equal to a resource: lists it by pages, watches from the list's revision, continues
 * from the last revision seen (bookmarks move it) when a watch ends, and lists again only when that
 * revision is gone from the server. Failures are retried with back-off, without end.
 */
export class Reflector<T extends KubeObject> {
  readonly #options: ReflectorOptions<T>;
  readonly #backoff: Backoff;
  readonly #random: Random;
  readonly #end = new AbortController();
  #revision: string | undefined;
  #relisting = false;
  #running: Promise<void> | undefined;

  constructor(options: ReflectorOptions<T>) {
    this.#options = options;
    this.#random = options.random ?? systemRandom;
    const pauses = { first_ms: REFLECTOR_BACKOFF_MS, most_ms: REFLECTOR_BACKOFF_MS_MAX };
    this.#backoff = new Backoff(pauses, this.#random);
  }

  start(): void {
    this.#running ??= this.#run();
  }

  /** Ends the list or watch under way and resolves when nothing more reaches the sink. */
  async close(): Promise<void> {
    this.#end.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, resource } = this.#options;
    const signal = this.#end.signal;
    while (!signal.aborted) {
      const begun_ms = clock.monotonic();
      try {
        if (this.#revision === undefined) await this.#list(signal);
        await this.#watch(signal);
        // A server that ends watches immediately must not be called in a tight loop.
        if (clock.monotonic() - begun_ms < 1_000) await delay(clock, this.#backoff.next(), signal);
        else this.#backoff.reset();
      } catch (thrown) {
        if (signal.aborted) return;
        const expired = isExpired(thrown) && this.#revision !== undefined;
        if (expired) this.#revision = undefined;
        // A new list is what the server asks for: no need to wait, unless it expires again and
        // again.
        const pause_ms = expired && !this.#relisting ? 0 : this.#backoff.next();
        this.#relisting = expired;
        const fields = { resource: resource.type.plural, error: messageOf(thrown), pause_ms };
        log.info("list and watch failed, trying again", fields);
        await delay(clock, pause_ms, signal);
      }
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { resource, selection = {}, metadataOnly, sink } = this.#options;
    const options = { ...selection, metadataOnly, signal };
    const list = await pagedOrWhole(resource, options);
    if (signal.aborted) return;
    this.#revision = list.metadata.resourceVersion;
    sink.replace(list.items);
    this.#backoff.reset();
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const { resource, selection = {}, metadataOnly, sink } = this.#options;
    const events = resource.watch({
      ...selection,
      metadataOnly,
      resourceVersion: this.#revision,
      allowWatchBookmarks: true,
      timeoutSeconds: Math.round(WATCH_TIMEOUT_S * (1 + this.#random.next())),
      signal,
    });
    for await (const { type, object } of events) {
      if (signal.aborted) return;
      this.#relisting = false;
      if (type !== "BOOKMARK") sink.apply({ type, object });
      this.#revision = object.metadata.resourceVersion ?? this.#revision;
      this.#backoff.reset();
    }
  }
}

/**
 * Pages may outlive the server's history; then one answer without pages is the way (as upstream).
 */
async function pagedOrWhole<T extends KubeObject>(
  resource: ResourceClient<T>,
  options: ListOptions & { signal: AbortSignal },
): Promise<KubeList<T>> {
  return (await tolerate(resource.listAll(options), isExpired)) ?? resource.list(options);
}
