import {
  type Family,
  type MessageEvent,
  type NoteEvent,
  RECORDED_EVENTS_MAX,
  type Recording,
  type ReplayEvent,
  SHOWN_CELLS_MAX,
  type Track,
  type TrackState,
} from "./recording.ts";

type Sent = Pick<MessageEvent, "from" | "to" | "label" | "detail"> & { readonly family: Family };

const FIELDS = ["role", "condition", "facts", "timer", "cells", "marks"] as const;

/** Records one run. Once RECORDED_EVENTS_MAX is reached, later events are left out. */
export class Recorder {
  readonly #unit: Recording["unit"];
  readonly #now: () => number;
  readonly #tracks: Track[] = [];
  readonly #states = new Map<string, TrackState>();
  readonly #events: ReplayEvent[] = [];
  /** Positions in the events of messages in flight. */
  readonly #inFlight = new Map<object, number>();

  constructor(unit: Recording["unit"], now: () => number) {
    this.#unit = unit;
    this.#now = () => Math.round(now() * 100) / 100;
  }

  get isFull(): boolean {
    return this.#events.length >= RECORDED_EVENTS_MAX;
  }

  /** Adds a participant; its state before that is `initial`. */
  track(id: string, name: string, initial: TrackState): void {
    const state = shortened(initial);
    this.#tracks.push({ id, name, initial: state });
    this.#states.set(id, state);
  }

  note(track: string, family: NoteEvent["family"], text: string): void {
    this.#push({ kind: "note", at: this.#now(), track, family, text });
  }

  /** A message leaves; `key` stands for it until it arrives. */
  sent(key: object, { from, to, family, label, detail }: Sent): void {
    if (this.isFull) return;
    this.#inFlight.set(key, this.#events.length);
    this.#push({ kind: "message", at: this.#now(), from, to, family, label, detail });
  }

  /** The message arrives, or is lost. */
  arrived(key: object, lost: boolean): void {
    const position = this.#inFlight.get(key);
    if (position === undefined) return;
    this.#inFlight.delete(key);
    const message = this.#events[position] as MessageEvent;
    const end = { arrived: this.#now(), ...(lost ? { lost: true as const } : {}) };
    this.#events[position] = { ...message, ...end };
  }

  /** Records what is different from the track's last state. */
  state(track: string, given: TrackState): void {
    const before = this.#states.get(track);
    if (!before) throw new RangeError(`no track ${track}`);
    const state = shortened(given);
    const changed = FIELDS.filter((field) => !same(before[field], state[field]));
    if (changed.length === 0) return;
    this.#states.set(track, state);
    const change = Object.fromEntries(changed.map((field) => [field, state[field]]));
    this.#push({ kind: "state", at: this.#now(), track, change });
  }

  finish(failure?: string): Recording {
    return {
      unit: this.#unit,
      tracks: this.#tracks,
      events: this.#events,
      begin: 0,
      end: this.#now(),
      ...(failure === undefined ? {} : { failure }),
    };
  }

  #push(event: ReplayEvent): void {
    if (!this.isFull) this.#events.push(event);
  }
}

function shortened(state: TrackState): TrackState {
  return { ...state, cells: state.cells.slice(-SHOWN_CELLS_MAX) };
}

function same(one: unknown, other: unknown): boolean {
  return one === other || JSON.stringify(one) === JSON.stringify(other);
}

/** The state of a participant that has none of the optional parts. */
export function plainState(role: string, more: Partial<TrackState> = {}): TrackState {
  return { role, condition: "running", facts: {}, timer: null, cells: [], marks: [], ...more };
}
