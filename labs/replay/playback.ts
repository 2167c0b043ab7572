import type {
  MessageEvent,
  NoteEvent,
  Recording,
  ReplayEvent,
  StateEvent,
  TrackState,
} from "./recording.ts";

/** A time at which something happens. */
export interface Moment {
  readonly at: number;
  /** Only heartbeats and what they reset. */
  readonly quiet: boolean;
}

type Version = { readonly at: number; readonly state: TrackState };

/** Pixels before a moment at least, and for each doubling of the time since the one before it. */
const SPACING = { loud: 18, quiet: 2 };
const PER_DOUBLING = { loud: 9, quiet: 2 };
/** A virtual millisecond's fractions count too; a step of a recording without time is one. */
const FINEST = 0.1;

/**
 * A recording as it is looked at: what holds at a time, and a scale on which idle time is short and
 * busy time is long. Times between two moments lie between their places.
 */
export class Playback {
  readonly recording: Recording;
  readonly moments: readonly Moment[];
  readonly messages: readonly MessageEvent[];
  readonly notes: readonly NoteEvent[];
  readonly #places: readonly number[];
  readonly #versions: ReadonlyMap<string, readonly Version[]>;

  constructor(recording: Recording) {
    this.recording = recording;
    const { events } = recording;
    this.messages = events.filter((event): event is MessageEvent => event.kind === "message");
    this.notes = events.filter((event): event is NoteEvent => event.kind === "note");
    this.moments = momentsOf(recording);
    this.#places = placesOf(this.moments);
    this.#versions = versionsOf(recording);
  }

  /** Pixels from the beginning to the end. */
  get length(): number {
    return this.#places.at(-1)!;
  }

  /** The place of a time, in pixels. */
  placeOf(at: number): number {
    const i = lastAtOrBefore(this.moments, at);
    if (i < 0) return 0;
    const [here, next] = [this.moments[i]!, this.moments[i + 1]];
    if (!next) return this.#places[i]!;
    const share = (at - here.at) / (next.at - here.at);
    return this.#places[i]! + share * (this.#places[i + 1]! - this.#places[i]!);
  }

  /** The time at a place. */
  timeAt(place: number): number {
    const i = this.#places.findLastIndex((each) => each <= place);
    if (i < 0) return this.moments[0]!.at;
    const [left, right] = [this.#places[i]!, this.#places[i + 1]];
    const here = this.moments[i]!.at;
    if (right === undefined) return here;
    return here + ((place - left) / (right - left)) * (this.moments[i + 1]!.at - here);
  }

  /** The state of a track after everything that happened up to `at`. */
  stateAt(track: string, at: number): TrackState {
    const versions = this.#versions.get(track)!;
    return versions[Math.max(0, lastAtOrBefore(versions, at))]!.state;
  }

  /** All states of a track, each with its beginning and its end. */
  spansOf(track: string): { from: number; to: number; state: TrackState }[] {
    const versions = this.#versions.get(track)!;
    return versions.map(({ at, state }, i) => {
      return { from: at, to: versions[i + 1]?.at ?? this.recording.end, state };
    });
  }

  /** Messages that were sent and have not arrived. */
  inFlightAt(at: number): MessageEvent[] {
    const { end } = this.recording;
    return this.messages.filter((each) => each.at <= at && at < (each.arrived ?? end));
  }

  /** The next loud moment after `at`, or the last one before it; the end or the beginning else. */
  step(at: number, direction: 1 | -1): number {
    const loud = this.moments.filter(({ quiet }) => !quiet);
    const found =
      direction === 1
        ? loud.find((moment) => moment.at > at)
        : loud.findLast((moment) => moment.at < at);
    return found?.at ?? (direction === 1 ? this.recording.end : this.recording.begin);
  }
}

function momentsOf({ events, begin, end }: Recording): Moment[] {
  const quiet = new Map<number, boolean>([
    [begin, true],
    [end, true],
  ]);
  for (const event of events) {
    const isQuiet = isQuietEvent(event);
    const times = event.kind === "message" ? [event.at, event.arrived ?? end] : [event.at];
    for (const at of times) quiet.set(at, (quiet.get(at) ?? true) && isQuiet);
  }
  const moments = [...quiet].map(([at, isQuiet]) => ({ at, quiet: isQuiet }));
  return moments.sort((a, b) => a.at - b.at);
}

/** Whether an event is of the kind that happens all the time. */
export function isQuietEvent(event: ReplayEvent): boolean {
  if (event.kind === "message") return event.family === "heartbeat";
  if (event.kind === "note") return false;
  return Object.keys(event.change).every((field) => field === "timer");
}

function placesOf(moments: readonly Moment[]): number[] {
  let place = 0;
  return moments.map(({ at, quiet }, i) => {
    const before = moments[i - 1];
    if (!before) return 0;
    const kind = quiet && before.quiet ? "quiet" : "loud";
    const doublings = Math.log2(1 + (at - before.at) / FINEST);
    place += SPACING[kind] + PER_DOUBLING[kind] * doublings;
    return place;
  });
}

function versionsOf({ tracks, events, begin }: Recording): Map<string, Version[]> {
  const versions = new Map(
    tracks.map(({ id, initial }) => [id, [{ at: begin, state: initial }]] as [string, Version[]]),
  );
  const changes = events.filter((event): event is StateEvent => event.kind === "state");
  for (const { at, track, change } of changes) {
    const known = versions.get(track)!;
    const last = known.at(-1)!;
    const state = { ...last.state, ...change };
    if (last.at === at) known[known.length - 1] = { at, state };
    else known.push({ at, state });
  }
  return versions;
}

/** Position of the last item at or before a time, -1 when there is none. */
function lastAtOrBefore(items: readonly { readonly at: number }[], at: number): number {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (items[middle]!.at <= at) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
