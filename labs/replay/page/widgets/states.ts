import type { Playback } from "../../playback.ts";
import type { Cell, Timer, Track, TrackState } from "../../recording.ts";
import { html } from "../dom.ts";

/** Pixels from one cell to the next. */
const CELL = 66;
const GAP = 4;
const RUNNING = "running";

/** The state of every participant at one time; logs stand index below index. */
export class States {
  readonly element = html("div", { class: "states" });
  readonly #playback: Playback;
  readonly #parts = new Map<string, StatePart>();

  constructor(playback: Playback) {
    this.#playback = playback;
    for (const track of playback.recording.tracks) {
      const part = new StatePart(track);
      this.#parts.set(track.id, part);
      this.element.append(part.element);
    }
  }

  show(at: number): void {
    const { tracks } = this.#playback.recording;
    const states = tracks.map(({ id }) => this.#playback.stateAt(id, at));
    const columns = columnsOf(states);
    tracks.forEach(({ id }, i) => this.#parts.get(id)!.show(states[i]!, at, columns));
  }
}

/** The columns of all logs: an index each, and more where a log has several cells of one index. */
function columnsOf(states: readonly TrackState[]): string[] {
  const names = new Set(states.flatMap(({ cells }) => namesOf(cells)));
  const numbers = (name: string) => name.split(".").map(Number) as [number, number];
  return [...names].sort((one, other) => {
    const [[a, b], [c, d]] = [numbers(one), numbers(other)];
    return a - c || b - d;
  });
}

/** `4.0`, and `4.1` for the second cell with index 4. */
function namesOf(cells: readonly Cell[]): string[] {
  let [index, ordinal] = [-1, 0];
  return cells.map((cell) => {
    ordinal = cell.index === index ? ordinal + 1 : 0;
    index = cell.index;
    return `${index}.${ordinal}`;
  });
}

/** One participant: its role, what it knows, its timer, its log. */
class StatePart {
  readonly element = html("section", { class: "state" });
  readonly #name: string;
  readonly #head = html("div", { class: "head" });
  readonly #timer = html("div", { class: "countdown" });
  readonly #log = html("div", { class: "log" });
  #shown = "";
  #shownLog = "";

  constructor({ name }: Track) {
    this.#name = name;
    const left = html("div", { class: "left" }, this.#head, this.#timer);
    this.element.append(left, this.#log);
  }

  show(state: TrackState, at: number, columns: readonly string[]): void {
    this.#showHead(state);
    this.#timer.replaceChildren(...(state.timer ? countdown(state.timer, at) : []));
    const log = JSON.stringify([state.cells, state.marks, columns]);
    if (log === this.#shownLog) return;
    this.#shownLog = log;
    this.#log.replaceChildren(...drawLog(state, columns));
  }

  #showHead({ role, condition, facts }: TrackState): void {
    const shown = JSON.stringify([role, condition, facts]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    const kind = role.replace(/\W+/g, "-");
    this.element.className = `state role-${kind} ${condition}`;
    const text = condition === RUNNING ? role : condition;
    const isNew = text !== this.#name;
    const pairs = Object.entries(facts).map(([name, value]) =>
      html("span", { class: "fact" }, html("i", {}, name), html("b", {}, value)),
    );
    this.#head.replaceChildren(
      html("h3", {}, this.#name),
      ...(isNew ? [html("span", { class: "role" }, text)] : []),
      html("div", { class: "facts" }, ...pairs),
    );
  }
}

function countdown({ name, since, length }: Timer, at: number): HTMLElement[] {
  const left = Math.max(0, since + length - at);
  const share = Math.min(1, Math.max(0, left / length));
  const bar = html("span", { style: `width: ${(share * 100).toFixed(1)}%` });
  const text = `${name}: ${left.toFixed(0)} of ${length} ms left`;
  return [html("div", { class: "bar" }, bar), html("small", {}, text)];
}

function drawLog({ cells, marks }: TrackState, columns: readonly string[]): HTMLElement[] {
  if (cells.length === 0) return [];
  const committed = marks.find(({ name }) => name === "committed" || name === "acknowledged")?.at;
  const places = namesOf(cells).map((name) => columns.indexOf(name));
  const boxes = cells.map((cell, i) => box(cell, places[i]!, committed));
  const strip = html("div", { class: "cells" }, ...boxes);
  const lines = marks
    .filter(({ at }) => at > 0)
    .map(({ name, at }, i) => {
      const last = cells.findLastIndex(({ index }) => index <= at);
      const from = places[0]! * CELL;
      const width = last < 0 ? 0 : (places[last]! + 1) * CELL - GAP - from;
      const style = `margin-left: ${from}px`;
      const line = html("span", { class: `line line-${i}`, style: `width: ${width}px` });
      return html("div", { class: "covered", style }, line, `${name} ${at}`);
    });
  return [strip, ...lines];
}

function box(
  { index, group, text }: Cell,
  column: number,
  committed: number | undefined,
): HTMLElement {
  const open = committed !== undefined && index > committed ? " open" : "";
  const kind = `cell group-${((group - 1) % 8) + 1}${open}`;
  const place = { title: `${index}: ${text}`, style: `grid-column: ${column + 1}` };
  return html("div", { class: kind, ...place }, html("i", {}, index), html("b", {}, text));
}
