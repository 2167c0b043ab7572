/** One entry of a track's log: a log entry, a record, a revision, an event. */
export interface Cell {
  readonly index: number;
  /** Cells of one group have one colour: a Raft term, a write of the disk, a key. */
  readonly group: number;
  readonly text: string;
}

/** How far something has come in a track's cells: `commit` at 4 covers the cells up to 4. */
export type Mark = { readonly name: string; readonly at: number };

/** A timer that started at `since` and fires `length` later, unless it is started again. */
export type Timer = { readonly name: string; readonly since: number; readonly length: number };

/** The state of one participant: a member, a client, a disk, a watch. */
export interface TrackState {
  /** `leader`, `candidate`, `watch`, ...: decides the colour. */
  readonly role: string;
  readonly condition: "running" | "down" | "disconnected";
  /** Facts shown as name and value, in this order. */
  readonly facts: Readonly<Record<string, string | number>>;
  readonly timer: Timer | null;
  readonly cells: readonly Cell[];
  readonly marks: readonly Mark[];
}

export interface Track {
  readonly id: string;
  readonly name: string;
  /** The state when the recording starts. */
  readonly initial: TrackState;
}

/** Decides the colour of a message, and how much attention it gets. */
export type Family =
  | "vote"
  | "append"
  | "heartbeat"
  | "snapshot"
  | "question"
  | "read"
  | "write"
  | "event";

export interface MessageEvent {
  readonly kind: "message";
  /** When it was sent. */
  readonly at: number;
  readonly from: string;
  readonly to: string;
  readonly family: Family;
  /** Two or three words: `vote? t2`. */
  readonly label: string;
  /** All of it, in a line. */
  readonly detail: string;
  /** When it arrived or was lost; undefined when it was still in flight at the end. */
  readonly arrived?: number;
  readonly lost?: true;
}

export interface NoteEvent {
  readonly kind: "note";
  readonly at: number;
  readonly track: string;
  /** A fault, a change of role, a client's request, anything else. */
  readonly family: "fault" | "role" | "request" | "remark";
  readonly text: string;
}

export interface StateEvent {
  readonly kind: "state";
  readonly at: number;
  readonly track: string;
  /** The fields that changed. */
  readonly change: Partial<TrackState>;
}

export type ReplayEvent = MessageEvent | NoteEvent | StateEvent;

/** Everything that happened in one run, ordered by `at`. */
export interface Recording {
  /** `ms` of virtual time, or `step` where only the order counts. */
  readonly unit: "ms" | "step";
  readonly tracks: readonly Track[];
  readonly events: readonly ReplayEvent[];
  readonly begin: number;
  readonly end: number;
  /** The judgement that ended the run; absent when everything held. */
  readonly failure?: string;
}

/** Where two runs of one seed part: positions in their events, and the time of the earlier one. */
export type Deviation = { readonly at: number; readonly own: number; readonly reference: number };

/** One run as the page shows it: the judged part's, beside the reference's. */
export interface ReplayCase {
  readonly title: string;
  /** The behaviour to look for. */
  readonly about: string;
  /** `seed 4`, `power lost at operation 7`. */
  readonly variant: string;
  /** The command that records it again. */
  readonly command: string;
  readonly own: Recording;
  /** The reference's recording; absent when the own run is the reference's, or equal to it. */
  readonly reference?: Recording;
  readonly deviation?: Deviation;
}

/** All that the page shows. */
export interface Replay {
  readonly lab: string;
  readonly title: string;
  /** The part that ran: `the reference`, `yours`, `planted: ...`. */
  readonly source: string;
  readonly cases: readonly ReplayCase[];
  /** Titles of checks that have failed, and that none of the cases shows. */
  readonly failed?: readonly string[];
}

/** Events after which a recording ends: a run that never ends must not fill the memory. */
export const RECORDED_EVENTS_MAX = 60_000;
/** Number of events of one recording that the page gets. */
export const SHOWN_EVENTS_MAX = 4_000;
/** Recorded events that are shown before the first deviation. */
export const SHOWN_BEFORE_DEVIATION = 1_000;
/** The newest cells of a track. */
export const SHOWN_CELLS_MAX = 24;
