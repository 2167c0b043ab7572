import { type Event, Event_EventType } from "@raft2kube/proto/gen/etcd.ts";
import { WatchHub } from "@raft2kube/store/mvcc/watch/hub.ts";
import type { Watcher } from "@raft2kube/store/mvcc/watch/watcher.ts";
import type { KvInput } from "../../testing/history/kv-model.ts";
import { judge } from "../judge.ts";
import { recordable, type StepClock } from "../replay/case.ts";
import { plainState, type Recorder } from "../replay/recorder.ts";
import type { Cell } from "../replay/recording.ts";
import { Applied, compact, put, putOf, remove, removeOf, txn } from "./state.ts";

const KEYS = ["a", "b", "c"];
/** A stream that is full after a few responses: its watch soon falls behind. */
const SMALL = {
  bytes_max: 10_000,
  responses_max: 2,
  mergedBytes_max: 1,
  fragmentBytes_max: 10_000,
};
/** Turns of the loop in which a watch catches up. */
const TURNS = 10;

/** One watch, the queue of its stream, and what its reader has taken. */
interface Watch {
  readonly name: string;
  readonly watcher: Watcher;
  readonly from: number;
  /** Whether the reader takes everything immediately. */
  readonly fast: boolean;
  cells: Cell[];
  ended: string;
}

/** A store in memory with watches, of which each step is recorded. */
class StoreRun {
  readonly #recorder: Recorder;
  readonly #clock: StepClock;
  readonly #applied: Applied;
  readonly #hub: WatchHub;
  readonly #watches: Watch[] = [];
  #cells: Cell[] = [];

  constructor(recorder: Recorder, clock: StepClock, applied: Applied) {
    this.#recorder = recorder;
    this.#clock = clock;
    this.#applied = applied;
    this.#hub = new WatchHub(applied.state, (thrown) => this.#failed(thrown), SMALL);
    recorder.track("client", "client", plainState("client"));
    recorder.track("store", "store", this.#store());
  }

  #failed(thrown: unknown): void {
    this.#recorder.note("store", "fault", String(thrown));
  }

  #store() {
    const { revision, compactRevision } = this.#applied.state;
    const facts = { revision, "compacted at": compactRevision > 0 ? compactRevision : "never" };
    const marks = compactRevision > 0 ? [{ name: "compacted", at: compactRevision }] : [];
    return plainState("store", { facts, cells: this.#cells, marks });
  }

  /** A request of the client, applied and answered. */
  async do(label: string, input: KvInput): Promise<void> {
    const key = {};
    this.#clock.next();
    const message = { from: "client", to: "store", family: "write" as const };
    this.#recorder.sent(key, { ...message, label, detail: label });
    this.#clock.next();
    this.#recorder.arrived(key, false);
    const answer = this.#applied.do(input, (changes) => {
      this.#cells = [
        ...this.#cells,
        ...changes.map(({ key: name, kv, deleted }) => {
          const text = deleted ? `delete ${name}` : `${name} = ${kv.value.toString()}`;
          return { index: kv.modRevision, group: KEYS.indexOf(name) + 1, text };
        }),
      ];
      this.#hub.notify(changes);
    });
    this.#recorder.note("store", "request", `answers ${answer}`);
    await this.#settle();
  }

  /** Opens a watch of all keys; one that is not fast reads only when asked to. */
  async watch(name: string, from: number, fast: boolean): Promise<void> {
    this.#clock.next();
    const stream = this.#hub.openStream();
    const range = { from: "a", to: "d", single: false };
    const rest = { prevKv: false, progressNotify: false, fragment: false };
    const filters = { noPut: false, noDelete: false };
    const id = BigInt(this.#watches.length);
    const position = { nextRevision: from, behind: false, idle: true };
    const watcher: Watcher = { id, range, stream, ...rest, ...filters, ...position };
    const watch = { name, watcher, from, fast, cells: [], ended: "" };
    this.#recorder.track(name, name, plainState("none"));
    this.#recorder.state(name, this.#stateOf(watch));
    this.#watches.push(watch);
    this.#recorder.note(name, "request", `watches all keys from revision ${from}`);
    this.#hub.add(watcher);
    await this.#settle();
  }

  /** The reader of a slow watch takes everything that waits. */
  async read(name: string): Promise<void> {
    this.#clock.next();
    this.#recorder.note(name, "remark", "its reader takes what waits");
    await this.#take(this.#watches.find((each) => each.name === name)!);
    await this.#settle();
  }

  async #settle(): Promise<void> {
    for (let turn = 0; turn < TURNS; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
      for (const watch of this.#watches) if (watch.fast) await this.#take(watch);
    }
    this.#clock.next();
    this.#recorder.state("store", this.#store());
    for (const watch of this.#watches) this.#recorder.state(watch.name, this.#stateOf(watch));
  }

  #stateOf({ watcher, cells, ended }: Watch) {
    const { nextRevision, behind, stream } = watcher;
    const position = behind ? "unsynced: it catches up" : "synced";
    const facts = {
      position: ended === "" ? position : ended,
      "next revision": nextRevision,
      "waits for its reader": stream.waitingEvents,
    };
    const condition = ended === "" ? ("running" as const) : ("disconnected" as const);
    return plainState(behind ? "unsynced" : "watch", { condition, facts, cells });
  }

  async #take(watch: Watch): Promise<void> {
    const { watcher, name } = watch;
    while (this.#isWaiting(watch)) {
      const response = await watcher.stream.next();
      if (!response) return;
      const key = {};
      const message = { from: "store", to: name, family: "event" as const };
      if (response.canceled) watch.ended = `canceled, compact revision ${response.compactRevision}`;
      const label = response.canceled ? "canceled" : response.events.map(shown).join(", ");
      this.#recorder.sent(key, { ...message, label, detail: label });
      this.#clock.next();
      this.#recorder.arrived(key, false);
      watch.cells = [...watch.cells, ...response.events.map(cellOf)];
    }
  }

  /** Whether there are events to read, or the end of the watch. */
  #isWaiting({ watcher, ended }: Watch): boolean {
    const { stream, id } = watcher;
    if (stream.ended || ended !== "") return false;
    return stream.waitingEvents > 0 || !this.#hub.watchers(stream).has(id);
  }

  /** Every watch has the events of the store from its revision on. */
  judge(name: string): void {
    const watch = this.#watches.find((each) => each.name === name)!;
    const wanted = this.#cells.filter(({ index }) => index >= watch.from);
    const texts = (cells: readonly Cell[]) => cells.map(({ index, text }) => `${index} ${text}`);
    const [expected, happened] = [texts(wanted).join(", "), texts(watch.cells).join(", ")];
    judge(expected === happened, {
      when: `${name}, from revision ${watch.from}, has read everything`,
      expected,
      happened: happened === "" ? "nothing" : happened,
      why: "who follows a watch has the same state as the store: no gap, nothing twice (S5)",
    });
  }
}

function shown({ type, kv }: Event): string {
  const sign = type === Event_EventType.DELETE ? "-" : "+";
  return `${kv!.modRevision} ${sign}${kv!.key.toString()}`;
}

function cellOf({ type, kv }: Event): Cell {
  const name = kv!.key.toString();
  const deleted = type === Event_EventType.DELETE;
  const text = deleted ? `delete ${name}` : `${name} = ${kv!.value.toString()}`;
  return { index: kv!.modRevision, group: KEYS.indexOf(name) + 1, text };
}

async function play(recorder: Recorder, clock: StepClock): Promise<void> {
  const run = new StoreRun(recorder, clock, await Applied.open());
  await run.watch("watch from 2", 2, true);
  await run.watch("slow watch", 2, false);
  await run.do("put a", put("a", "1"));
  await run.do("put b", put("b", "1"));
  const success = [{ requestPut: putOf("c", "1") }, { requestDeleteRange: removeOf("a") }];
  await run.do("txn: put c, delete a", txn({ success }));
  await run.do("put b", put("b", "2"));
  await run.do("delete c", remove("c"));
  await run.watch("watch from 4", 4, true);
  await run.read("slow watch");
  await run.do("put a", put("a", "2"));
  await run.read("slow watch");
  await run.do("compact 5", compact(5));
  await run.watch("watch from 3", 3, true);
  await run.do("put b", put("b", "3"));
  await run.read("slow watch");
  for (const name of ["watch from 2", "slow watch", "watch from 4"]) run.judge(name);
}

recordable({
  title: "revisions, watches and a compaction",
  about:
    "Each change is one revision, a transaction too. A watch gets every revision from its own " +
    "on, whole and once; one whose reader is slow falls behind and catches up; one of compacted " +
    "revisions is canceled.",
  unit: "step",
  variantName: "order",
  variants: [1],
  play,
});
