import { KeyValue } from "@raft2kube/proto/gen/etcd.ts";
import { Rotation } from "@raft2kube/std/rotation.ts";
import { FairTurns } from "@raft2kube/std/turns.ts";
import {
  CATCH_UP_CHANGES_MAX,
  CATCH_UP_EVENTS_MAX,
  CATCH_UP_SCAN_CHANGES_MAX,
  CATCH_UP_SCANS,
  CATCH_UPS_OF_TURN,
  MERGED_EVENTS_BYTES,
} from "../../limits.ts";
import { inRange } from "../../structures/key-range.ts";
import type { Change } from "../records/recent.ts";
import { parseRecordKey, recordKey } from "../records/revision.ts";
import type { State } from "../state/state.ts";
import { type ChangeEvent, changeEvent } from "./events.ts";
import type { WatchStreamQueue } from "./stream-queue.ts";
import type { Watcher } from "./watcher.ts";

/** The parts of the watch hub that catching up needs. */
interface Hub {
  watchers(stream: WatchStreamQueue): ReadonlyMap<bigint, Watcher>;
  /** Sends events up to revision `main`. */
  send(watcher: Watcher, main: number, events: ChangeEvent[]): void;
  cancelCompacted(watcher: Watcher): void;
  answerProgress(stream: WatchStreamQueue): void;
}

/**
 * Catch-up of unsynced watchers (etcd: syncWatchers). Brings watchers from a revision in the past
 * to the present: from the backend as far as it must, then from the recent revisions, which join
 * the live events without a gap, as nothing else runs in between. Watchers take turns, those of
 * different clients in rotation: each watches other keys, and looks through all changes for them.
 */
export class CatchUp {
  readonly #state: State;
  readonly #hub: Hub;
  readonly #onFailure: (error: unknown) => void;
  readonly #running = new Set<Watcher>();
  readonly #turns = new Rotation({ ofTurn: CATCH_UPS_OF_TURN, ofOwner: Infinity });
  readonly #scans = new FairTurns(CATCH_UP_SCANS.all, CATCH_UP_SCANS.ofClient);

  constructor(state: State, hub: Hub, onFailure: (error: unknown) => void) {
    this.#state = state;
    this.#hub = hub;
    this.#onFailure = onFailure;
  }

  /**
   * Goes on for a watcher until it is at the present, waiting for its stream whenever that is
   * full.
   */
  start(watcher: Watcher): void {
    if (this.#running.has(watcher)) return;
    this.#running.add(watcher);
    watcher.stream.delaying.add(watcher);
    // Later: the answer to the creation of the watch must come before its events.
    void Promise.resolve()
      .then(() => this.#untilPresent(watcher))
      .catch((thrown: unknown) => this.#onFailure(thrown));
  }

  /** A watcher may fall behind again before its catch-up has ended. */
  async #untilPresent(watcher: Watcher): Promise<void> {
    try {
      do await this.#run(watcher);
      while (watcher.behind && !this.#isGone(watcher));
    } finally {
      this.#running.delete(watcher);
    }
  }

  #isGone(watcher: Watcher): boolean {
    return this.#hub.watchers(watcher.stream).get(watcher.id) !== watcher;
  }

  /**
   * Sends a watcher everything from its `nextRevision` to the newest revision: from the backend
   * what is older than `state.recent`, the rest from there. Waits for its turn before each part,
   * and while the stream is full. Then the watcher is no longer `behind`, and the stream's requests
   * for progress are answered. Stops when the watcher is gone, and cancels it when it asks for
   * compacted revisions.
   */
  async #run(watcher: Watcher): Promise<void> {
    // lab:06 begin catch-up-run
    for (await this.#turn(watcher); !this.#isGone(watcher); await this.#turn(watcher)) {
      if (watcher.nextRevision < this.#state.compactRevision) {
        return this.#hub.cancelCompacted(watcher);
      }
      if (watcher.stream.full) {
        await watcher.stream.untilNotFull();
        continue;
      }
      const { first } = this.#state.recent;
      if (watcher.nextRevision < first) await this.#fromBackend(watcher, first);
      else this.#fromRecent(watcher);
      if (watcher.nextRevision > this.#state.revision) {
        watcher.behind = false;
        return this.#hub.answerProgress(watcher.stream);
      }
    }
    // lab:06 end
  }

  /** Resolves when a watcher's next part may be sent. */
  #turn({ stream }: Watcher): Promise<void> {
    return new Promise((resolve) => this.#turns.enter(stream.owner, resolve));
  }

  /** The last revision of a part from the recent ones whose first is `main`. */
  #partEnd(main: number): number {
    const { recent, revision } = this.#state;
    let end = main;
    for (let changes = 0; end < revision; end++) {
      changes += recent.changes(end)!.length;
      if (changes >= CATCH_UP_CHANGES_MAX) break;
    }
    return Math.min(end, revision);
  }

  /**
   * Sends the changes of each revision from `nextRevision` to the end of the part, all of which
   * `recent` has, in order. Stops early when the stream is full.
   */
  #fromRecent(watcher: Watcher): void {
    // lab:06 begin catch-up-from-recent
    const { recent } = this.#state;
    const revision = this.#partEnd(watcher.nextRevision);
    for (let main = watcher.nextRevision; main <= revision && !watcher.stream.full; main++) {
      this.#send(watcher, main, recent.changes(main)!);
    }
    // lab:06 end
  }

  #send(watcher: Watcher, main: number, changes: Change[]): void {
    const events = changes
      .filter(({ key }) => inRange(watcher.range, key))
      .map((change) => changeEvent(this.#state, change));
    this.#hub.send(watcher, main, events);
  }

  /** Sends revisions up to `before` from the backend, as many as a part has and the stream takes. */
  async #fromBackend(watcher: Watcher, before: number): Promise<void> {
    const { backend } = this.#state;
    try {
      await this.#scans.run(watcher.stream.owner, () => this.#scan(watcher, before));
    } catch (thrown) {
      // The state was replaced during the scan, which continues on the new one.
      if (backend === this.#state.backend) throw thrown;
    }
  }

  async #scan(watcher: Watcher, before: number): Promise<void> {
    if (this.#isGone(watcher)) return;
    const from = recordKey(watcher.nextRevision, 0, false);
    const batch = new RevisionBatch(this.#state, watcher);
    for await (const chunk of this.#state.backend.scan({ from, to: recordKey(before, 0, false) })) {
      for (const [key, value] of chunk) {
        const { main, tombstone } = parseRecordKey(key);
        if (batch.isFull(main)) {
          this.#deliver(watcher, batch);
          if (watcher.stream.full || batch.isLast || this.#isGone(watcher)) return;
        }
        batch.add(main, tombstone, value);
      }
      if (watcher.nextRevision < this.#state.compactRevision) return;
    }
    batch.through = before - 1;
    this.#deliver(watcher, batch);
  }

  #deliver(watcher: Watcher, batch: RevisionBatch): void {
    // A compaction may have removed records under the scan: then `#run` ends the watch.
    if (watcher.nextRevision < this.#state.compactRevision || this.#isGone(watcher)) return;
    this.#hub.send(watcher, batch.through, batch.take());
  }
}

/**
 * Events of whole revisions, collected up to a bound: a revision is never split over two
 * responses (S5).
 */
class RevisionBatch {
  readonly #state: State;
  readonly #watcher: Watcher;
  #events: ChangeEvent[] = [];
  #bytes = 0;
  #changes = 0;
  /** The last revision whose events are all here. */
  through = 0;

  constructor(state: State, watcher: Watcher) {
    this.#state = state;
    this.#watcher = watcher;
  }

  isFull(nextMain: number): boolean {
    if (nextMain === this.through) return false;
    const full = this.#events.length >= CATCH_UP_EVENTS_MAX || this.#bytes >= MERGED_EVENTS_BYTES;
    return full || this.isLast;
  }

  /** Whether a part has no further batch. */
  get isLast(): boolean {
    return this.#changes >= CATCH_UP_SCAN_CHANGES_MAX;
  }

  add(main: number, deleted: boolean, value: Buffer): void {
    this.through = main;
    this.#changes++;
    const kv = KeyValue.decode(value);
    const key = kv.key.toString("latin1");
    if (!inRange(this.#watcher.range, key)) return;
    if (deleted) kv.modRevision = main;
    const event = changeEvent(this.#state, { key, kv, deleted });
    this.#events.push(event);
    this.#bytes += event.bytes;
  }

  take(): ChangeEvent[] {
    this.#bytes = 0;
    return this.#events.splice(0);
  }
}
