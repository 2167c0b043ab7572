import { require } from "./violation.ts";

/** One response of a watch. */
export interface WatchSeen {
  /** The store's revision when it was sent. */
  revision: number;
  /** Each `PUT key=... over ...` or `DELETE key over ...`, behind its revision. */
  events: { revision: number; what: string }[];
}

/** What one watch was asked for and was sent, to its end. */
export interface WatchHistory {
  name: string;
  /** The first revision it wanted. */
  start: number;
  from: string;
  /** Empty for one key. */
  to: string;
  responses: WatchSeen[];
  /** Set when it was ended because revisions before this are gone. */
  compactRevision: number | undefined;
  /** It was open when the run had come to rest: all there is must have arrived. */
  open: boolean;
}

/** What the log says of a revision. */
export interface RevisionEvents {
  revision: number;
  events: { key: string; what: string }[];
}

/**
 * A watch is ordered, unique, whole per revision, without a gap, and its notices of progress are
 * never ahead of its events (S5). `revisions` begins with revision 2, without a gap. Returns the
 * number of events compared.
 */
export function watchKept(watch: WatchHistory, revisions: readonly RevisionEvents[]): number {
  const expected = revisions
    .filter(({ revision }) => revision >= watch.start)
    .map(({ revision, events }) => ({ revision, events: events.filter((e) => covers(watch, e)) }))
    .filter(({ events }) => events.length > 0);
  let next = 0;
  let compared = 0;
  for (const { revision, events } of watch.responses) {
    for (let at = 0; at < events.length; ) {
      const want = expected[next];
      const got = events[at]!;
      require(want?.revision === got.revision, "watch", gap(watch, want?.revision, got));
      const all = events.slice(at, at + want.events.length);
      const wanted = want.events.map(({ what }) => what);
      const seen = all.map((event) => event.what);
      const title = `${watch.name}: revision ${want.revision} came as`;
      const message = `${title}\n  ${seen}\nnot\n  ${wanted}`;
      require(seen.join() === wanted.join(), "watch", message);
      at += all.length;
      compared += all.length;
      next++;
    }
    const due = expected[next];
    const ahead = events.length === 0 && due !== undefined && due.revision <= revision;
    require(!ahead, "watch", `${watch.name}: progress at ${revision}, ${due?.revision} not sent`);
  }
  checkEnd(watch, Math.max(watch.start, (expected[next - 1]?.revision ?? 0) + 1), expected[next]);
  return compared;
}

function covers({ from, to }: WatchHistory, { key }: { key: string }): boolean {
  return to === "" ? key === from : key >= from && key < to;
}

function gap(watch: WatchHistory, want: number | undefined, got: { revision: number }): string {
  return `${watch.name} from ${watch.start}: event of ${got.revision}, expected ${want}`;
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
