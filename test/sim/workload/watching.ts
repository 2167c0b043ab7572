import {
  type Event,
  Event_EventType,
  type KeyValue,
  type WatchResponse,
} from "@raft2kube/proto/gen/etcd.ts";
import type { WatchStream } from "@raft2kube/client-etcd/client.ts";
import { isEtcdError } from "@raft2kube/client-etcd/errors.ts";
import { type Random, pick, randomInteger } from "@raft2kube/std/random.ts";
import { text } from "../check/kv-model.ts";
import { describeRec } from "../check/kv-state.ts";
import type { WatchHistory } from "../check/watches.ts";
import type { Life } from "../cluster/life.ts";
import type { Story } from "../story.ts";
import type { Tally } from "../world/tally.ts";
import type { Timeline } from "../world/timeline.ts";
import { KEYS } from "./requests.ts";

export interface WatchWorld {
  timeline: Timeline;
  random: Random;
  tally: Tally;
  story: Story;
  lives: () => Life[];
}

/** Opens watches on members, reads them fast or slowly, and keeps what they were sent. */
export class Watchers {
  readonly #world: WatchWorld;
  readonly all: WatchHistory[] = [];
  /** Readers take their time, until all is to come to rest. */
  hurries = false;

  constructor(world: WatchWorld) {
    this.#world = world;
  }

  /** Opens a watch on any member, for a while or, without `for_ms`, to the end. */
  open(for_ms: number | undefined): void {
    const { random, timeline, tally, story, lives } = this.#world;
    const up = lives();
    if (up.length === 0) return;
    const life = pick(random, up);
    const stream = life.client.watch();
    const whole = random.next() < 0.5;
    const [from, to] = whole ? ["k", "l"] : [pick(random, KEYS), ""];
    const offset = randomInteger(random, -100, 101);
    const startRevision = startOf(life, random, offset);
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
    const where = `at ${life.state.revision}, compacted ${life.state.compactRevision}`;
    const { memberId } = life.state.identity;
    story.tell(memberId, () => `watched from ${startRevision}: ${watch.name}, ${where}`);
    tally.note(startRevision > life.state.revision ? "watch from ahead" : "watch from the past");
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
    const pause_ms = random.next() < 0.2 ? pick(random, [8, 60]) : 0;
    void this.#read(stream, watch, pause_ms).finally(() => {
      watch.open = false;
    });
  }

  async #read(stream: WatchStream, watch: WatchHistory, pause_ms: number): Promise<void> {
    const { timeline } = this.#world;
    try {
      for await (const response of stream) {
        take(watch, response);
        this.#world.tally.note("watch event", response.events.length);
        if (response.canceled) return;
        if (pause_ms > 0 && !this.hurries) {
          await new Promise<void>((resolve) => void timeline.after(pause_ms, resolve));
        }
      }
    } catch (thrown) {
      // The member went away; its clients watch elsewhere.
      if (!isEtcdError(thrown, "stopped")) throw thrown;
    }
  }
}

/** Now, some way off, or the very revision before which all is compacted. */
function startOf({ state }: Life, random: Random, offset: number): number {
  const die = random.next();
  if (die < 0.2) return 0;
  return Math.max(1, die < 0.4 ? state.compactRevision : state.revision + offset);
}

function take(watch: WatchHistory, response: WatchResponse): void {
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

function described({ type, kv, prevKv }: Event): { revision: number; what: string } {
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
