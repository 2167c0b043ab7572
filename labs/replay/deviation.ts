import {
  type Deviation,
  type Recording,
  type ReplayEvent,
  SHOWN_BEFORE_DEVIATION,
  SHOWN_EVENTS_MAX,
  type TrackState,
} from "./recording.ts";

/**
 * Finds where two runs of one seed part: the first event that is not the same, when it was sent
 * included, but not when it arrived. Undefined when all events are the same.
 */
export function firstDeviation(own: Recording, reference: Recording): Deviation | undefined {
  const longest = Math.max(own.events.length, reference.events.length);
  for (let i = 0; i < longest; i++) {
    const [one, other] = [own.events[i], reference.events[i]];
    if (one && other && shown(one) === shown(other)) continue;
    const times = [one, other].flatMap((event) => (event ? [event.at] : []));
    return { at: Math.min(...times), own: i, reference: i };
  }
  return undefined;
}

function shown(event: ReplayEvent): string {
  if (event.kind !== "message") return JSON.stringify(event);
  const { at, from, to, label, detail } = event;
  return JSON.stringify({ at, from, to, label, detail });
}

/**
 * The part of a recording that the page gets: all of it when it is short; else from some events
 * before the deviation at `position`, or its last part when it failed, or its first.
 */
export function shownPart(
  recording: Recording,
  position: number | undefined,
): { readonly recording: Recording; readonly dropped: number } {
  const { events, failure } = recording;
  if (events.length <= SHOWN_EVENTS_MAX) return { recording, dropped: 0 };
  const last = failure === undefined ? 0 : events.length - SHOWN_EVENTS_MAX;
  const from = position === undefined ? last : Math.max(0, position - SHOWN_BEFORE_DEVIATION);
  const kept = events.slice(from, from + SHOWN_EVENTS_MAX);
  const tracks = recording.tracks.map((track) => {
    const initial = stateAfter(track.initial, track.id, events.slice(0, from));
    return { ...track, initial };
  });
  const begin = from === 0 ? recording.begin : kept[0]!.at;
  const end = from + kept.length === events.length ? recording.end : kept.at(-1)!.at;
  return { recording: { ...recording, tracks, events: kept, begin, end }, dropped: from };
}

function stateAfter(
  initial: TrackState,
  track: string,
  events: readonly ReplayEvent[],
): TrackState {
  let state = initial;
  for (const event of events) {
    if (event.kind === "state" && event.track === track) state = { ...state, ...event.change };
  }
  return state;
}
