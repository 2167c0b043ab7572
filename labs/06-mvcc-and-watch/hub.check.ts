import type { Event, WatchResponse } from "@raft2kube/proto/gen/etcd.ts";
import { WatchHub } from "@raft2kube/store/mvcc/watch/hub.ts";
import { STREAM_LIMITS, WatchStreamQueue } from "@raft2kube/store/mvcc/watch/stream-queue.ts";
import type { Watcher } from "@raft2kube/store/mvcc/watch/watcher.ts";
import { keyRange } from "@raft2kube/store/structures/key-range.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { Applied, compact, put } from "./state.ts";

const FIRST = 2;
const WRITES = 40;
/** Responses that a stream takes until it is read. */
const RESPONSES_MAX = 4;
const TURNS = 20;
/** How often one turn of the event loop may ask whether a stream is full: a loop asks without end. */
const ASKED_MAX = 10_000;

/** A hub on a state of its own, and one watch of all keys, whose stream is read by hand. */
class OwnHub {
  readonly hub: WatchHub;
  readonly stream: WatchStreamQueue;
  readonly #applied: Applied;
  failure: unknown;
  #asked = 0;

  constructor(applied: Applied) {
    this.#applied = applied;
    const limits = { ...STREAM_LIMITS, responses_max: RESPONSES_MAX, mergedBytes_max: 0 };
    this.hub = new WatchHub(applied.state, (error) => (this.failure = error), limits);
    this.stream = this.hub.openStream();
    Object.defineProperty(this.stream, "full", { get: () => this.#isFull() });
  }

  #isFull(): boolean {
    judge(++this.#asked <= ASKED_MAX, {
      when: `a watcher catches up; its stream takes ${RESPONSES_MAX} responses, and is not read`,
      expected: "while the stream is full, untilNotFull is awaited",
      happened: `in one turn of the event loop, ${ASKED_MAX} looks at whether the stream is full`,
      why: "a member has one thread: a loop that waits for nothing stops all of it",
    });
    return Reflect.get(WatchStreamQueue.prototype, "full", this.stream);
  }

  static async open(): Promise<OwnHub> {
    return new OwnHub(await Applied.open());
  }

  watch(from: number): Watcher {
    const { stream } = this;
    const wanted = { prevKv: false, progressNotify: false, fragment: false };
    const filters = { noPut: false, noDelete: false };
    const place = { id: 1n, range: keyRange(Buffer.from("a"), Buffer.from("z")), stream };
    const start = { nextRevision: from, behind: false, idle: true };
    const watcher: Watcher = { ...wanted, ...filters, ...place, ...start };
    this.hub.add(watcher);
    return watcher;
  }

  write(count: number): void {
    for (let i = 0; i < count; i++) {
      this.#applied.do(put("k", "x"), (changes) => this.hub.notify(changes));
    }
  }

  compact(revision: number): void {
    this.#applied.do(compact(revision));
  }

  /** Lets everything run that needs no reader. */
  async turns(): Promise<void> {
    for (let turn = 0; turn < TURNS; turn++) {
      this.#asked = 0;
      await new Promise(setImmediate);
    }
    if (this.failure) throw this.failure as Error;
  }

  /** Takes all that waits for the reader now. */
  async read(): Promise<WatchResponse[]> {
    return this.stream.waitingEvents > 0 ? ((await this.stream.take()) ?? []) : [];
  }
}

function judgeWaiting(own: OwnHub, situation: string): void {
  judge(own.stream.waitingEvents <= RESPONSES_MAX, {
    when: `${situation}; its stream takes ${RESPONSES_MAX} responses, and is not read`,
    expected: `at most ${RESPONSES_MAX} events wait`,
    happened: `${own.stream.waitingEvents} wait`,
    why: "one client that does not read must not fill the member's memory: the rest is in the log",
  });
}

for (const late of [false, true]) {
  const situation = late ? `a watch after ${WRITES} writes` : `a watch, then ${WRITES} writes`;
  check(`hub: ${situation}: no more waits than its stream takes, and none is missing`, async () => {
    const own = await OwnHub.open();
    if (late) own.write(WRITES);
    own.watch(FIRST);
    if (!late) own.write(WRITES);
    const events: Event[] = [];
    for (let reads = 0; reads <= WRITES; reads++) {
      await own.turns();
      judgeWaiting(own, situation);
      const read = await own.read();
      if (read.length === 0) break;
      events.push(...read.flatMap((response) => response.events));
    }
    const revisions = events.map(({ kv }) => kv?.modRevision);
    const expected = Array.from({ length: WRITES }, (_, i) => FIRST + i);
    judge(revisions.join() === expected.join(), {
      when: `${situation}; its stream is read whenever it is full`,
      expected: `the events of revisions ${FIRST} to ${FIRST + WRITES - 1}`,
      happened: `the events of ${revisions.join(" ")}`,
      why: "a watch delivers every event once, in order: clients keep a copy of the state (S5)",
    });
  });
}

check("hub: a watch that is canceled is removed", async () => {
  const own = await OwnHub.open();
  own.write(10);
  own.compact(8);
  own.watch(3);
  await own.turns();
  judge(own.hub.watcherCount === 0, {
    when: "a watch from 3 after a compaction at 8: it is canceled",
    expected: "no watch is left",
    happened: `${own.hub.watcherCount} is left`,
    why: "its id stays taken, and every change is compared with it, until the client disconnects",
  });
});
