import { isQuietEvent, type Playback } from "../../playback.ts";
import type { ReplayEvent, StateEvent, TrackState } from "../../recording.ts";
import { html, timeText } from "../dom.ts";

/** Lines before and after the present. */
const BEFORE = 9;
const AFTER = 6;

type Line = { readonly at: number; readonly kind: string; readonly text: string };

/** The events around the present, in words. */
export class Events {
  readonly element = html("ol", { class: "events" });
  readonly #playback: Playback;
  readonly #lines: readonly Line[];
  readonly #onPick: (at: number) => void;
  readonly #before: ReadonlyMap<StateEvent, TrackState>;
  #shown = -2;

  constructor(playback: Playback, onPick: (at: number) => void) {
    this.#playback = playback;
    this.#onPick = onPick;
    this.#before = statesBefore(playback);
    const { events } = playback.recording;
    this.#lines = events
      .filter((event) => !isQuietEvent(event))
      .flatMap((event) => {
        const text = this.describe(event);
        return text === "" ? [] : [{ at: event.at, kind: kindOf(event), text }];
      });
  }

  show(at: number): void {
    const present = this.#lines.findLastIndex((line) => line.at <= at);
    if (present === this.#shown) return;
    this.#shown = present;
    const from = Math.max(0, present - BEFORE);
    const shown = this.#lines.slice(from, present + AFTER + 1);
    this.element.replaceChildren(...shown.map((line, i) => this.#item(line, from + i - present)));
  }

  #item({ at, kind, text }: Line, distance: number): HTMLElement {
    const when = distance === 0 ? "present" : distance > 0 ? "later" : "";
    const time = html("time", {}, timeText(at, this.#playback.recording.unit));
    const item = html("li", { class: when, "data-kind": kind }, time, html("span", {}, text));
    item.addEventListener("click", () => this.#onPick(at));
    return item;
  }

  /** An event in a line; empty for one that other lines say already. */
  describe(event: ReplayEvent): string {
    const nameOf = (id: string) => {
      return this.#playback.recording.tracks.find((track) => track.id === id)?.name ?? id;
    };
    if (event.kind === "note") return `${nameOf(event.track)} ${event.text}`;
    if (event.kind === "message") {
      const end = event.lost ? ", lost" : "";
      return `${nameOf(event.from)} → ${nameOf(event.to)}: ${event.label}${end}`;
    }
    const before = this.#before.get(event);
    const text = before ? changesOf(event, before).join(", ") : "";
    return text === "" ? "" : `${nameOf(event.track)}: ${text}`;
  }
}

/** The facts and marks that an event changed: `term 2`, `committed 4`. */
function changesOf({ change }: StateEvent, before: TrackState): string[] {
  const facts = Object.entries(change.facts ?? {}).filter(([name, value]) => {
    return before.facts[name] !== value;
  });
  const marks = (change.marks ?? []).filter(({ name, at }) => {
    return at !== (before.marks.find((mark) => mark.name === name)?.at ?? 0);
  });
  return [
    ...facts.map(([name, value]) => `${name} ${value}`),
    ...marks.map(({ name, at }) => `${name} ${at}`),
  ];
}

/** The state of its track right before each change. */
function statesBefore({ recording }: Playback): Map<StateEvent, TrackState> {
  const states = new Map(recording.tracks.map(({ id, initial }) => [id, initial]));
  const before = new Map<StateEvent, TrackState>();
  for (const event of recording.events) {
    if (event.kind !== "state") continue;
    const state = states.get(event.track)!;
    before.set(event, state);
    states.set(event.track, { ...state, ...event.change });
  }
  return before;
}

function kindOf(event: ReplayEvent): string {
  return event.kind === "state" ? "state" : `${event.kind} ${event.family}`;
}
