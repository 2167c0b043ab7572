import type { EtcdError } from "@raft2kube/client-etcd/errors.ts";
import type { Event, ResponseHeader, WatchResponse } from "@raft2kube/proto/gen/etcd.ts";
import { inRange } from "../../structures/key-range.ts";
import type { Change } from "../records/recent.ts";
import { header, type State } from "../state/state.ts";
import { CatchUp } from "./catch-up.ts";
import { EventRun } from "./event-run.ts";
import { type ChangeEvent, changeEvent } from "./events.ts";
import { fragments } from "./fragment.ts";
import { STREAM_LIMITS, type StreamLimits, WatchStreamQueue } from "./stream-queue.ts";
import { filterEvents, type Watcher } from "./watcher.ts";

const RESPONSE_OVERHEAD_BYTES = 64;

/** The events of one revision, or of several, as watchers want them. */
interface Offer {
  readonly of: readonly ChangeEvent[];
  readonly plain: Event[];
  readonly withPrevious: () => Event[];
  /** The responses that share their first events. */
  readonly run: () => EventRun;
  /** The size of a response with these events. */
  readonly bytes: number;
}

function offerOf(of: readonly ChangeEvent[]): Offer {
  let full: Event[] | undefined;
  let run: EventRun | undefined;
  const plain = of.map(({ event }) => event);
  return {
    of,
    plain,
    run: () => (run ??= new EventRun(plain)),
    withPrevious: () => (full ??= of.map((each) => each.withPrevious())),
    bytes: of.reduce((sum, { bytes }) => sum + bytes, RESPONSE_OVERHEAD_BYTES),
  };
}

/** Watchers of the same keys: a change is matched once for all of them. */
type Group = { range: Watcher["range"]; watchers: Set<Watcher> };

/**
 * All watches (etcd: watchableStore). A change is turned into an event once; watchers that are up
 * to date (etcd: the synced group) get it immediately while their stream is not full, the others
 * catch up from the recent revisions or the backend.
 */
export class WatchHub {
  readonly #state: State;
  readonly #catchUp: CatchUp;
  readonly #singles = new Map<string, Set<Watcher>>();
  readonly #groups = new Map<string, Group>();
  readonly #byStream = new Map<WatchStreamQueue, Map<bigint, Watcher>>();
  #lastHeader: ResponseHeader | undefined;
  #offered: Offer | undefined;
  /** Streams that want to know of progress and have a watch of a revision that is yet to come. */
  readonly #early = new Set<WatchStreamQueue>();
  #eventCount = 0;
  readonly #limits: StreamLimits;

  constructor(
    state: State,
    onFailure: (error: unknown) => void,
    limits: StreamLimits = STREAM_LIMITS,
  ) {
    this.#state = state;
    this.#limits = limits;
    this.#catchUp = new CatchUp(state, this, onFailure);
  }

  get watcherCount(): number {
    let count = 0;
    for (const watchers of this.#byStream.values()) count += watchers.size;
    return count;
  }

  /** Watches that lag behind. */
  get slowCount(): number {
    let count = 0;
    for (const watchers of this.#byStream.values()) {
      for (const { behind } of watchers.values()) if (behind) count++;
    }
    return count;
  }

  /** Events that wait for the readers of their streams. */
  get pendingEvents(): number {
    let count = 0;
    for (const stream of this.#byStream.keys()) count += stream.waitingEvents;
    return count;
  }

  /** Events given to watches since the start. */
  get eventCount(): number {
    return this.#eventCount;
  }

  get streamCount(): number {
    return this.#byStream.size;
  }

  /** Streams of one `owner`, its client's address, share the turns in which watches catch up. */
  openStream(owner?: string): WatchStreamQueue {
    const stream = new WatchStreamQueue(this.#limits, owner);
    this.#byStream.set(stream, new Map());
    return stream;
  }

  closeStream(stream: WatchStreamQueue, reason?: EtcdError): void {
    for (const watcher of this.#byStream.get(stream)?.values() ?? []) this.#forget(watcher);
    this.#byStream.delete(stream);
    this.#early.delete(stream);
    stream.end(reason);
  }

  watchers(stream: WatchStreamQueue): ReadonlyMap<bigint, Watcher> {
    return this.#byStream.get(stream) ?? new Map();
  }

  /** Takes a watch in; one that starts in the past catches up. */
  add(watcher: Watcher): void {
    this.#byStream.get(watcher.stream)!.set(watcher.id, watcher);
    this.#groupOf(watcher).add(watcher);
    if (this.#isEarly(watcher)) watcher.stream.delaying.add(watcher);
    if (watcher.nextRevision > this.#state.revision) return;
    watcher.behind = true;
    this.#catchUp.start(watcher);
  }

  /**
   * The state was replaced by a newer one: watchers that had seen everything up to revision
   * `before` catch up.
   */
  replaced(before: number): void {
    for (const watchers of this.#byStream.values()) {
      for (const watcher of watchers.values()) {
        if (watcher.behind) continue;
        watcher.nextRevision = Math.max(watcher.nextRevision, before + 1);
        if (watcher.nextRevision > this.#state.revision) continue;
        watcher.behind = true;
        this.#catchUp.start(watcher);
      }
    }
    this.#answerEarly();
  }

  remove(watcher: Watcher): void {
    this.#byStream.get(watcher.stream)?.delete(watcher.id);
    this.#forget(watcher);
    this.answerProgress(watcher.stream);
  }

  #groupOf(watcher: Watcher): Set<Watcher> {
    const { range } = watcher;
    if (range.single) {
      const found = this.#singles.get(range.from);
      if (found) return found;
      const watchers = new Set<Watcher>();
      this.#singles.set(range.from, watchers);
      return watchers;
    }
    const name = groupName(watcher);
    let group = this.#groups.get(name);
    if (!group) this.#groups.set(name, (group = { range, watchers: new Set() }));
    return group.watchers;
  }

  #forget(watcher: Watcher): void {
    watcher.stream.delaying.delete(watcher);
    const group = this.#groupOf(watcher);
    group.delete(watcher);
    if (group.size > 0) return;
    if (watcher.range.single) this.#singles.delete(watcher.range.from);
    else this.#groups.delete(groupName(watcher));
  }

  /**
   * Sends the changes of the revision that was just made to the watches of their keys. Called
   * once for each revision, before the next one is made.
   */
  notify(changes: readonly Change[]): void {
    if (this.#byStream.size === 0 || changes.length === 0) return;
    const main = this.#state.revision;
    const events = changes.map((change) => changeEvent(this.#state, change));
    this.#notifySingles(main, events);
    const within = eventsWithin(events);
    for (const { range, watchers } of this.#groups.values()) {
      const matching = within(range);
      if (matching.length === 0) continue;
      for (const watcher of watchers) this.#offer(watcher, main, matching);
    }
    this.#answerEarly();
  }

  /** A transaction may change a key several times: its watchers get all of that together. */
  #notifySingles(main: number, events: ChangeEvent[]): void {
    if (this.#singles.size === 0) return;
    const byKey = new Map<string, ChangeEvent[]>();
    for (const event of events) {
      if (!this.#singles.has(event.key)) continue;
      const matching = byKey.get(event.key);
      if (matching) matching.push(event);
      else byKey.set(event.key, [event]);
    }
    for (const [key, matching] of byKey) {
      for (const watcher of this.#singles.get(key)!) this.#offer(watcher, main, matching);
    }
  }

  /**
   * Sends the events of one revision. A watcher whose stream is full lags from this revision on,
   * and catches up; a watcher that lags already, or starts later, is passed over.
   */
  #offer(watcher: Watcher, main: number, events: ChangeEvent[]): void {
    // lab:06 begin hub-offer
    if (watcher.behind || main < watcher.nextRevision) return;
    if (watcher.stream.full) {
      watcher.behind = true;
      watcher.nextRevision = main;
      this.#catchUp.start(watcher);
      return;
    }
    this.send(watcher, main, events);
    // lab:06 end
  }

  /** Sends events up to revision `main`: all of a revision together (S5). */
  send(watcher: Watcher, main: number, events: ChangeEvent[]): void {
    watcher.nextRevision = main + 1;
    const offer = this.#offerOf(events);
    const filtered = filterEvents(watcher, watcher.prevKv ? offer.withPrevious() : offer.plain);
    if (filtered.length === 0) return;
    watcher.idle = false;
    this.#eventCount += filtered.length;
    const { bytes } = offer;
    if (watcher.fragment) return this.#sendParts(watcher, filtered, bytes);
    const { latest, stream } = watcher;
    if (latest && stream.extend(latest, filtered, this.#header(), bytes)) return;
    // Others are sent the same list, and more may be added to this one.
    const run = filtered === offer.plain ? offer.run() : undefined;
    const own = this.response(watcher.id, { events: run ? filtered : [...filtered] });
    watcher.latest = stream.pushEvents(own, bytes, run);
  }

  /** The watchers of a group are offered the same list, one after the other. */
  #offerOf(events: ChangeEvent[]): Offer {
    if (this.#offered?.of !== events) this.#offered = offerOf(events);
    return this.#offered;
  }

  #sendParts(watcher: Watcher, events: Event[], bytes: number): void {
    const parts = fragments(this.response(watcher.id, { events }), this.#limits.fragmentBytes_max);
    const share = Math.ceil(bytes / parts.length);
    for (const part of parts) watcher.stream.push(part, share);
  }

  /** One object for all responses at a revision. */
  #header(): ResponseHeader {
    const { revision, appliedTerm } = this.#state;
    const last = this.#lastHeader;
    if (last?.revision === revision && last.raftTerm === appliedTerm) return last;
    return (this.#lastHeader = header(this.#state));
  }

  /** A response of one watch at the present revision. */
  response(watchId: bigint, init: Partial<WatchResponse> & { events?: Event[] }): WatchResponse {
    return {
      header: this.#header(),
      watchId,
      created: false,
      canceled: false,
      compactRevision: 0,
      cancelReason: "",
      fragment: false,
      events: [],
      ...init,
    };
  }

  /**
   * The watch asked for revisions that are compacted away: it ends, naming the first it may ask
   * for (S6). The header's revision is 0, as etcd's: a present one would read as progress.
   */
  cancelCompacted(watcher: Watcher): void {
    // lab:06 begin cancel-compacted
    const { compactRevision } = this.#state;
    // The answer does not name the present revision, as etcd's.
    const at = { ...header(this.#state), revision: 0 };
    const init = { header: at, canceled: true, compactRevision };
    const response = this.response(watcher.id, init);
    watcher.stream.push(response, RESPONSE_OVERHEAD_BYTES);
    this.remove(watcher);
    // lab:06 end
    watcher.stream.compacted.add(watcher.id);
  }

  /**
   * Answers a wish for progress once every watch of the stream is up to date, and none is of a
   * revision yet to come: never ahead of events, and never back before the start of a watch (S5).
   */
  answerProgress(stream: WatchStreamQueue): void {
    if (!stream.progressWanted) return;
    // The first that still delays the answer ends the look: each leaves once.
    for (const watcher of stream.delaying) {
      if (watcher.behind) return;
      if (this.#isEarly(watcher)) return void this.#early.add(stream);
      stream.delaying.delete(watcher);
    }
    this.#early.delete(stream);
    stream.progressWanted = false;
    stream.push(this.response(-1n, {}), RESPONSE_OVERHEAD_BYTES);
  }

  #answerEarly(): void {
    for (const stream of [...this.#early]) this.answerProgress(stream);
  }

  /** Whether a watch starts after a revision that this member has not reached. */
  #isEarly({ nextRevision }: Pick<Watcher, "nextRevision">): boolean {
    return nextRevision > this.#state.revision + 1;
  }

  /** Sends progress to idle, up to date watchers that asked for it. */
  notifyProgress(): void {
    for (const watchers of this.#byStream.values()) {
      for (const watcher of watchers.values()) {
        const current = !watcher.behind && !this.#isEarly(watcher);
        const due = watcher.progressNotify && watcher.idle && current;
        watcher.idle = true;
        if (!due || watcher.stream.full) continue;
        watcher.stream.push(this.response(watcher.id, {}), RESPONSE_OVERHEAD_BYTES);
      }
    }
  }

  /** Ends every stream; its reader gets the reason. */
  close(reason: EtcdError): void {
    for (const stream of [...this.#byStream.keys()]) this.closeStream(stream, reason);
  }
}

const NONE: ChangeEvent[] = [];

/**
 * Returns a function for the events of a range, in their order. Where it is all or none of them, as
 * mostly, no list is made for it. Of many ranges none looks at all events.
 */
function eventsWithin(events: ChangeEvent[]): (range: Watcher["range"]) => ChangeEvent[] {
  let byKey: { event: ChangeEvent; place: number }[] | undefined;
  const firstFrom = (key: string): number => {
    const sorted = (byKey ??= inKeyOrder(events));
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle]!.event.key < key) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return (range) => {
    if (events.length === 1) return inRange(range, events[0]!.key) ? events : NONE;
    const first = firstFrom(range.from);
    const end = range.to === undefined ? events.length : firstFrom(range.to);
    if (end <= first) return NONE;
    if (end - first === events.length) return events;
    const found = byKey!.slice(first, end).sort((a, b) => a.place - b.place);
    return found.map(({ event }) => event);
  };
}

function inKeyOrder(events: readonly ChangeEvent[]) {
  const all = events.map((event, place) => ({ event, place }));
  return all.sort((a, b) => (a.event.key < b.event.key ? -1 : a.event.key > b.event.key ? 1 : 0));
}

function groupName({ range }: Watcher): string {
  return `${range.to === undefined ? "-" : range.to.length}:${range.to ?? ""}:${range.from}`;
}
