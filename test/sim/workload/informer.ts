import { EtcdError } from "@raft2kube/client-etcd/errors.ts";
import { type Event, Event_EventType, RangeRequest } from "@raft2kube/proto/gen/etcd.ts";
import { pick, type Random } from "@raft2kube/std/random.ts";
import { text } from "../../../testing/history/kv-model.ts";
import { describeKeys, type Rec } from "../../../testing/history/kv-state.ts";
import type { Timeline } from "../../../testing/timeline.ts";
import { require } from "../../../testing/violation.ts";
import type { Generation } from "../cluster/generation.ts";
import { isDamage } from "../world/backend.ts";
import type { Counters } from "../world/counters.ts";

export interface InformerWorld {
  timeline: Timeline;
  random: Random;
  counters: Counters;
  generations: () => Generation[];
}

const RETRY_MS = 50;
const FROM = Buffer.from("k");
const TO = Buffer.from("l");

/**
 * Kubernetes' way of knowing: a list, then a watch from its revision; when the watch ends, a watch
 * from the last event or bookmark, or a list again, of any member. It must never receive a past
 * before what it knows (K1), and what it knows in the end must be what there is.
 */
export class Informer {
  readonly #world: InformerWorld;
  readonly #known = new Map<string, Rec>();
  #revision = 0;
  /** Whether it has never listed, or its revision is compacted. */
  #lost = true;
  #settles = false;

  constructor(world: InformerWorld) {
    this.#world = world;
  }

  /** Makes it leave no watch by itself. */
  settle(): void {
    this.#settles = true;
  }

  /** Lists and watches for as long as the run goes on. */
  async work(): Promise<never> {
    for (;;) {
      const { random, generations } = this.#world;
      const up = generations();
      if (up.length > 0) await this.#once(pick(random, up));
      await this.#sleep(RETRY_MS);
    }
  }

  /** The informer's objects, in one line. */
  get knowledge(): string {
    return describeKeys(this.#known);
  }

  async #once(generation: Generation): Promise<void> {
    try {
      if (this.#lost || this.#world.random.next() < 0.3) await this.#list(generation);
      await this.#watch(generation);
    } catch (thrown) {
      // The member went away, was cut off, or its disk failed: the next one is asked.
      if (!(thrown instanceof EtcdError || isDamage(thrown))) throw thrown;
    }
  }

  async #list({ client }: Generation): Promise<void> {
    const request = { ...RangeRequest.create(), key: FROM, rangeEnd: TO };
    const { header, kvs } = await client.range(request);
    this.#goTo(header!.revision, "list");
    this.#world.counters.note("informer listed");
    this.#known.clear();
    for (const kv of kvs) this.#known.set(text(kv.key), recOf(kv));
    this.#lost = false;
  }

  #goTo(revision: number, by: string): void {
    const message = `it knew revision ${this.#revision}, a ${by} had ${revision}`;
    require(revision >= this.#revision, "time travel", message);
    this.#revision = revision;
  }

  async #watch({ client }: Generation): Promise<void> {
    const { timeline, random } = this.#world;
    const stream = client.watch();
    const startRevision = this.#revision + 1;
    stream.create({ key: FROM, rangeEnd: TO, startRevision, progressNotify: true });
    const end = timeline.after(500 + random.next() * 8_000, () => {
      if (!this.#settles) stream.close();
    });
    try {
      for await (const { events, canceled, created, header } of stream) {
        if (canceled) this.#lost = true;
        if (canceled) return;
        for (const event of events) this.#take(event);
        const bookmark = !created && events.length === 0;
        if (bookmark) this.#goTo(header!.revision, "bookmark");
      }
    } finally {
      end.cancel();
    }
  }

  #take({ type, kv }: Event): void {
    if (!kv) throw new RangeError("an event without its key");
    this.#goTo(kv.modRevision, "watch");
    if (type === Event_EventType.DELETE) this.#known.delete(text(kv.key));
    else this.#known.set(text(kv.key), recOf(kv));
  }

  #sleep(for_ms: number): Promise<void> {
    return new Promise((resolve) => void this.#world.timeline.after(for_ms, resolve));
  }
}

function recOf(kv: NonNullable<Event["kv"]>): Rec {
  const { value, createRevision, modRevision, version, lease } = kv;
  return { value: text(value), create: createRevision, mod: modRevision, version, lease };
}
