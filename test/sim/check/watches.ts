import type { Rec } from "../../../testing/history/kv-state.ts";
import { require } from "../../../testing/violation.ts";

/** One response of a watch. */
export interface WatchSeen {
  /** The store's revision when it was sent. */
  revision: number;
  /** Each `PUT key=... over ...` or `DELETE key over ...`, after its revision. */
  events: { revision: number; what: string }[];
}

/** The request and the responses of one watch, to its end. */
export interface WatchHistory {
  name: string;
  /** The first revision it wanted. */
  start: number;
  from: string;
  /** End of the range; empty for one key. */
  to: string;
  /** Whether it asked for what was there before, where that is not compacted. */
  prevKv: boolean;
  responses: WatchSeen[];
  /** The compacted revision, when the watch was ended for it. */
  compactRevision: number | undefined;
  /** Whether it was open when the run had come to rest: all events must have arrived. */
  open: boolean;
}

/** The events of a revision in the log. */
export interface RevisionEvents {
  revision: number;
  events: { key: string; rec?: Rec | undefined; what: string; over: string }[];
}

/**
 * A watch is ordered, unique, whole per revision, without a gap, and its notices of progress are
 * never ahead of its events (S5). `revisions` starts with revision 2, without a gap. Returns the
 * number of events compared.
 */
export function watchKept(watch: WatchHistory, revisions: readonly RevisionEvents[]): number {
  let due = nextDue(watch, revisions, watch.start);
  let compared = 0;
  let last = 0;
  for (const { revision, events } of watch.responses) {
    for (let at = 0; at < events.length; ) {
      const got = events[at]!;
      require(due?.revision === got.revision, "watch", () => gap(watch, due, got));
      const seen = events.slice(at, at + due.events.length).map(({ what }) => what);
      requireSame(watch, due, seen);
      at += seen.length;
      compared += seen.length;
      last = due.revision;
      due = nextDue(watch, revisions, due.revision + 1);
    }
    const early = events.length === 0 && revision < watch.start - 1;
    require(!early, "watch", `${watch.name} from ${watch.start}: progress at ${revision}`);
    const ahead = events.length === 0 && due !== undefined && due.revision <= revision;
    require(!ahead, "watch", `${watch.name}: progress at ${revision}, ${due?.revision} not sent`);
  }
  checkEnd(watch, Math.max(watch.start, last + 1), due);
  return compared;
}

/** The first revision from `from` on in which the watch has a part. */
function nextDue(
  watch: WatchHistory,
  revisions: readonly RevisionEvents[],
  from: number,
): RevisionEvents | undefined {
  for (let at = Math.max(0, from - FIRST_REVISION); at < revisions.length; at++) {
    const { revision, events } = revisions[at]!;
    if (!events.some((event) => covers(watch, event))) continue;
    return { revision, events: events.filter((event) => covers(watch, event)) };
  }
  return undefined;
}

/** The first revision in which anything can change. */
const FIRST_REVISION = 2;

/** Requires the events of a revision, with previous values if asked for and not compacted. */
function requireSame(watch: WatchHistory, due: RevisionEvents, seen: readonly string[]): void {
  const same = due.events.every(({ what, over }, i) => {
    return seen[i] === what || (watch.prevKv && seen[i] === `${what}${over}`);
  });
  if (same && seen.length === due.events.length) return;
  const wanted = due.events.map(({ what }) => what);
  const title = `${watch.name}: revision ${due.revision} came as`;
  require(false, "watch", `${title}\n  ${seen}\nnot\n  ${wanted}`);
}

function covers({ from, to }: WatchHistory, { key }: { key: string }): boolean {
  return to === "" ? key === from : key >= from && key < to;
}

function gap(
  { name, start }: WatchHistory,
  due: RevisionEvents | undefined,
  got: { revision: number },
): string {
  return `${name} from ${start}: event of ${got.revision}, expected ${due?.revision}`;
}

function checkEnd(watch: WatchHistory, position: number, missing: RevisionEvents | undefined) {
  const { compactRevision, open, name, start } = watch;
  if (compactRevision !== undefined) {
    const message = `${name} at ${position} was ended as compacted before ${compactRevision}`;
    require(position < compactRevision, "watch", message);
    return;
  }
  const message = `${name} from ${start} never sent ${missing?.revision}`;
  require(!open || missing === undefined, "watch", message);
}
