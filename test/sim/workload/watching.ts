import type { WatchStream } from "@raft2kube/client-etcd/client.ts";
import { isEtcdError } from "@raft2kube/client-etcd/errors.ts";
import {
  type Event,
  Event_EventType,
  type KeyValue,
  type WatchResponse,
} from "@raft2kube/proto/gen/etcd.ts";
import { pick, type Random, randomInteger } from "@raft2kube/std/random.ts";
import { text } from "../../../testing/history/kv-model.ts";
import { describeRec } from "../../../testing/history/kv-state.ts";
import type { Timeline } from "../../../testing/timeline.ts";
import type { WatchHistory } from "../check/watches.ts";
import type { Generation } from "../cluster/generation.ts";
import type { Transcript } from "../transcript.ts";
import type { Counters } from "../world/counters.ts";
import { KEYS } from "./requests.ts";

export interface WatchWorld {
  timeline: Timeline;
  random: Random;
  counters: Counters;
  transcript: Transcript;
  generations: () => Generation[];
}

/** Opens watches on members, reads them fast or slowly, and keeps what they were sent. */
export class Watchers {
  readonly #world: WatchWorld;
  readonly all: WatchHistory[] = [];
  #hurries = false;
  /** Readers that are taking their time. */
  #resting: (() => void)[] = [];

  constructor(world: WatchWorld) {
    this.#world = world;
  }

  /** Opens a watch on any member, for a while or, without `for_ms`, to the end. */
  open(for_ms: number | undefined): void {
    const { random, generations } = this.#world;
    const up = generations();
    if (up.length === 0) return;
    const generation = pick(random, up);
    this.#openOn(generation, startOf(generation, random), for_ms);
  }

  /**
   * Opens a watch at the end of what is compacted, on a member that has just started: all that it
   * sends comes from the disk.
   */
  openAfterStart(generation: Generation): void {
    this.#openOn(generation, Math.max(1, generation.state.compactRevision), 2_000);
  }

  #openOn(generation: Generation, startRevision: number, for_ms: number | undefined): void {
    const { random, timeline, counters, transcript } = this.#world;
    const stream = generation.client.watch();
    const whole = random.next() < 0.5;
    const [from, to] = whole ? ["k", "l"] : [pick(random, KEYS), ""];
    const watch: WatchHistory = {
      name: `watch ${this.all.length} of ${from}`,
      start: startRevision,
      from,
      to,
      prevKv: random.next() < 0.3,
      responses: [],
      compactRevision: undefined,
      open: true,
    };
    this.all.push(watch);
    const where = `at ${generation.state.revision}, compacted ${generation.state.compactRevision}`;
    const { memberId } = generation.state.identity;
    transcript.record(memberId, () => `watched from ${startRevision}: ${watch.name}, ${where}`);
    const isAhead = startRevision > generation.state.revision;
    counters.note(isAhead ? "watch from ahead" : "watch from the past");
    const progressNotify = random.next() < 0.5;
    stream.create({
      key: Buffer.from(from),
      rangeEnd: Buffer.from(to),
      startRevision,
      progressNotify,
      prevKv: watch.prevKv,
    });
    if (random.next() < 0.3) timeline.after(random.next() * 500, () => stream.requestProgress());
    if (for_ms !== undefined) timeline.after(for_ms, () => stream.close());
    const pause_ms = random.next() < 0.2 ? pick(random, PAUSES_MS) : 0;
    void this.#read(stream, watch, pause_ms).finally(() => {
      watch.open = false;
    });
  }

  /** All is to come to rest: readers take no more time. */
  hurry(): void {
    this.#hurries = true;
    for (const wake of this.#resting.splice(0)) wake();
  }

  #pause(for_ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.#resting.push(resolve);
      this.#world.timeline.after(for_ms, resolve);
    });
  }

  async #read(stream: WatchStream, watch: WatchHistory, pause_ms: number): Promise<void> {
    try {
      for await (const response of stream) {
        take(watch, response);
        this.#world.counters.note("watch event", response.events.length);
        if (response.canceled) return;
        if (pause_ms > 0 && !this.#hurries) await this.#pause(pause_ms);
      }
    } catch (thrown) {
      // The member went away; its clients watch elsewhere.
      if (!isEtcdError(thrown, "stopped")) throw thrown;
    }
  }
}

/** How long slow readers take for a response: the last reads none before all comes to rest. */
const PAUSES_MS = [8, 60, 1e6] as const;

/** Now, some way off, or the very revision before which all is compacted. */
function startOf({ state }: Generation, random: Random): number {
  const die = random.next();
  const offset = randomInteger(random, -100, 101);
  if (die < 0.2) return 0;
  return Math.max(1, die < 0.4 ? state.compactRevision : state.revision + offset);
}

/** Notes what a watch was sent. */
export function take(watch: WatchHistory, response: WatchResponse): void {
  const revision = response.header?.revision ?? 0;
  if (response.created) {
    if (watch.start === 0) watch.start = revision + 1;
    return;
  }
  if (response.canceled) {
    watch.compactRevision = response.compactRevision;
    return;
  }
  watch.responses.push({ revision, events: response.events.map(described) });
}

/** An event as the checkers know it. */
export function described({ type, kv, prevKv }: Event): { revision: number; what: string } {
  if (!kv) throw new RangeError("an event without its key");
  const name = text(kv.key);
  const over = prevKv ? ` over ${describeRec(name, recOf(prevKv))}` : "";
  if (type === Event_EventType.DELETE) {
    return { revision: kv.modRevision, what: `DELETE ${name}${over}` };
  }
  return { revision: kv.modRevision, what: `PUT ${describeRec(name, recOf(kv))}${over}` };
}

function recOf({ value, createRevision, modRevision, version, lease }: KeyValue) {
  return { value: text(value), create: createRevision, mod: modRevision, version, lease };
}
