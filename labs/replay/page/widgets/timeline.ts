import { Playback } from "../../playback.ts";
import type { Deviation, MessageEvent, NoteEvent } from "../../recording.ts";
import { svg, timeText } from "../dom.ts";
import { drawBands, drawTimers, type Rows, rowsOf } from "./bands.ts";
import { LabelPlacer } from "./labels.ts";

/** Where in the view the present is, from the left. */
const PRESENT_SHARE = 0.58;
const AXIS = 30;
/** A page that is narrower than this has no column of names. */
const NARROW = 620;
/**
 * Width, in views, of the part of the recording that is drawn in one go, and moved while it plays.
 */
const DRAWN_VIEWS = 3;
const AXIS_STEP = 110;
const DOT = 5;

export interface TimelineOptions {
  readonly playback: Playback;
  readonly deviation: Deviation | undefined;
  readonly showsHeartbeats: boolean;
  /** Called with the time of the clicked point. */
  readonly onPick: (at: number) => void;
}

/**
 * The participants as tracks, time to the right: roles as bands, timers below them, messages as
 * arrows. The present stays in its place and the recording moves beneath it.
 */
export class Timeline {
  readonly element = svg("svg", { class: "timeline", role: "img", "aria-label": "messages" });
  readonly #options: TimelineOptions;
  readonly #rows: Rows;
  readonly #moving = svg("g");
  readonly #future = svg("rect", { class: "future" });
  readonly #present = svg("g", { class: "present" });
  readonly #names = svg("g");
  readonly #dots = svg("g", { class: "dots" });
  #width = 0;
  #drawn: { readonly from: number; readonly to: number } | undefined;

  constructor(options: TimelineOptions) {
    this.#options = options;
    this.#rows = rowsOf(options.playback.recording.tracks, AXIS);
    this.element.setAttribute("height", String(this.#rows.height));
    this.element.append(arrowHeads(), this.#moving, this.#future, this.#dots, this.#present);
    this.#present.append(this.#names, svg("g", { class: "now" }));
    this.element.addEventListener("click", (event) => this.#clicked(event));
  }

  /** Shows a time. */
  show(at: number): void {
    const { playback } = this.#options;
    const width = this.element.clientWidth || this.element.parentElement?.clientWidth || 0;
    if (width !== this.#width) {
      this.#width = width;
      this.#drawn = undefined;
      this.#names.replaceChildren(...this.#drawNames());
    }
    const place = playback.placeOf(at);
    const present = this.#presentOf(place);
    this.#draw(place);
    this.#moving.setAttribute("transform", `translate(${present - place} 0)`);
    const left = Math.max(0, width - present);
    const future = { x: present, y: 0, width: left, height: this.#rows.height };
    for (const [name, value] of Object.entries(future)) {
      this.#future.setAttribute(name, String(value));
    }
    this.#drawPresent(at, present);
    this.#drawDots(at, place, present);
  }

  /**
   * Where the present is, in pixels: in its place, but the recording's beginning is not drawn to
   * the right of the names, nor its end to the left of the stage's.
   */
  #presentOf(place: number): number {
    const left = (this.#isNarrow ? 0 : this.#rows.names) + 40;
    const last = this.#width - 20 - this.#options.playback.length;
    const wanted = Math.max(left, this.#width * PRESENT_SHARE) - place;
    return place + Math.min(left, Math.max(last, wanted));
  }

  #draw(place: number): void {
    const margin = this.#width * 1.1;
    const enough =
      this.#drawn && this.#drawn.from <= place - margin && this.#drawn.to >= place + margin;
    if (enough) return;
    const half = (this.#width * DRAWN_VIEWS) / 2;
    const [from, to] = [place - half - margin / 4, place + half + margin / 4];
    this.#drawn = { from, to };
    const { playback, deviation } = this.#options;
    const part = { playback, from, to, rows: this.#rows };
    const labels = new LabelPlacer();
    this.#moving.replaceChildren(
      ...this.#axis(from, to),
      ...drawTimers(part),
      ...drawBands(part, labels),
      ...this.#notes(from, to, labels),
      ...this.#messages(from, to, labels),
      ...(deviation ? [this.#deviationMark(deviation)] : []),
    );
  }

  #axis(from: number, to: number): SVGElement[] {
    const { playback } = this.#options;
    const { unit } = playback.recording;
    const ticks: SVGElement[] = [];
    const first = Math.ceil(Math.max(0, from) / AXIS_STEP);
    for (let i = first; i * AXIS_STEP < Math.min(to, playback.length); i++) {
      const x = i * AXIS_STEP;
      const text = timeText(playback.timeAt(x), unit);
      ticks.push(
        svg("line", { class: "grid", x1: x, x2: x, y1: AXIS - 6, y2: this.#rows.height }),
        svg("text", { class: "tick", x, y: AXIS - 12, "text-anchor": "middle" }, text),
      );
    }
    return ticks;
  }

  #messages(from: number, to: number, labels: LabelPlacer): SVGElement[] {
    const { playback, showsHeartbeats } = this.#options;
    const shown = playback.messages.filter((message) => {
      if (message.family === "heartbeat" && !showsHeartbeats) return false;
      const [left, right] = this.#ends(message);
      return right >= from && left <= to;
    });
    // Heartbeats lie below everything else.
    const quiet = shown.filter(({ family }) => family === "heartbeat");
    const loud = shown.filter(({ family }) => family !== "heartbeat");
    return [...quiet, ...loud].map((message) => this.#arrow(message, labels));
  }

  #ends({ at, arrived }: MessageEvent): readonly [number, number] {
    const { playback } = this.#options;
    return [playback.placeOf(at), playback.placeOf(arrived ?? playback.recording.end)];
  }

  #arrow(message: MessageEvent, labels: LabelPlacer): SVGElement {
    const [left, right] = this.#ends(message);
    const [y1, y2] = this.#rows.between(message.from, message.to);
    // A message that is lost ends on its way.
    const share = message.lost ? 0.6 : 1;
    const [x2, yEnd] = [left + (right - left) * share, y1 + (y2 - y1) * share];
    const attributes = { x1: left, y1, x2, y2: yEnd };
    const mark = message.lost ? "lost" : message.family;
    const head = message.arrived === undefined ? undefined : `url(#head-${mark})`;
    const group = svg(
      "g",
      { class: `message ${message.family}${message.lost ? " lost" : ""}`, "data-at": message.at },
      svg("title", {}, `${message.detail}${message.lost ? " (lost)" : ""}`),
      svg("line", { class: "hit", ...attributes }),
      svg("line", { class: "shaft", ...attributes, "marker-end": head }),
    );
    if (message.family === "heartbeat") return group;
    const gaps = this.#rows.distance(message.from, message.to);
    const place = labels.along(message.label, attributes, gaps);
    if (place) group.append(svg("text", { class: "label", ...place }, message.label));
    return group;
  }

  #notes(from: number, to: number, labels: LabelPlacer): SVGElement[] {
    const { playback } = this.#options;
    return playback.notes.flatMap((note) => {
      const x = playback.placeOf(note.at);
      if (x < from || x > to || note.family === "role") return [];
      return [this.#note(note, x, labels)];
    });
  }

  #note(note: NoteEvent, x: number, labels: LabelPlacer): SVGElement {
    const y = this.#rows.top(note.track);
    const group = svg(
      "g",
      { class: `note ${note.family}`, "data-at": note.at },
      svg("title", {}, note.text),
      svg("circle", { cx: x, cy: y + this.#rows.band / 2, r: note.family === "fault" ? 6 : 4 }),
    );
    const place = labels.above(note.text, x + 2, y - 7);
    if (place) group.append(svg("text", { class: "label", ...place }, note.text));
    return group;
  }

  #deviationMark({ at }: Deviation): SVGElement {
    const x = this.#options.playback.placeOf(at);
    return svg(
      "g",
      { class: "deviation", "data-at": at },
      svg("line", { x1: x, x2: x, y1: 4, y2: this.#rows.height }),
      svg("text", { x: x + 5, y: this.#rows.height - 6 }, "first deviation"),
    );
  }

  get #isNarrow(): boolean {
    return this.#width < NARROW;
  }

  /** Names in a column; on a narrow page above their bands. */
  #drawNames(): SVGElement[] {
    const { tracks } = this.#options.playback.recording;
    const { names: width, height, band } = this.#rows;
    const texts = tracks.map(({ id, name }) => {
      const y = this.#rows.top(id) + (this.#isNarrow ? -14 : band / 2);
      const place = { x: this.#isNarrow ? 6 : 12, y, "dominant-baseline": "central" };
      return svg("text", { class: "name", ...place }, name);
    });
    const ground = svg("rect", { class: "names", x: 0, y: 0, width, height });
    return this.#isNarrow ? texts : [ground, ...texts];
  }

  #drawPresent(at: number, x: number): void {
    const { unit } = this.#options.playback.recording;
    const text = timeText(at, unit);
    const half = text.length * 3.6 + 8;
    this.#present.lastElementChild!.replaceChildren(
      svg("line", { x1: x, x2: x, y1: 22, y2: this.#rows.height }),
      svg("rect", { x: x - half, y: 2, width: half * 2, height: 20, rx: 10 }),
      svg("text", { x, y: 16, "text-anchor": "middle" }, text),
    );
  }

  /** Each message in flight is a dot where its arrow crosses the present. */
  #drawDots(at: number, place: number, x: number): void {
    const dots = this.#options.playback.inFlightAt(at).map((message) => {
      const [left, right] = this.#ends(message);
      const [y1, y2] = this.#rows.between(message.from, message.to);
      const share = right > left ? (place - left) / (right - left) : 0;
      const cy = y1 + (y2 - y1) * share;
      const r = message.family === "heartbeat" ? DOT / 2 : DOT;
      return svg("circle", { class: `dot ${message.family}`, cx: x, cy, r });
    });
    this.#dots.replaceChildren(...dots);
  }

  #clicked(event: globalThis.MouseEvent): void {
    const marked = (event.target as Element).closest("[data-at]");
    if (marked) return this.#options.onPick(Number(marked.getAttribute("data-at")));
    const { left } = this.element.getBoundingClientRect();
    const { playback } = this.#options;
    const shift = Number(/translate\(([-\d.e]+)/.exec(this.#moving.getAttribute("transform")!)![1]);
    const place = Math.min(playback.length, Math.max(0, event.clientX - left - shift));
    this.#options.onPick(playback.timeAt(place));
  }
}

const FAMILIES = ["vote", "append", "heartbeat", "snapshot", "read", "write", "event"];

function arrowHeads(): SVGElement {
  const side = { markerWidth: 7, markerHeight: 7 };
  const size = { viewBox: "0 0 10 10", orient: "auto-start-reverse", ...side };
  const heads = FAMILIES.map((family) =>
    svg(
      "marker",
      { id: `head-${family}`, class: `head ${family}`, refX: 9, refY: 5, ...size },
      svg("path", { d: "M0 1 L10 5 L0 9 z" }),
    ),
  );
  const cross = svg(
    "marker",
    { id: "head-lost", class: "head lost", refX: 5, refY: 5, ...size },
    svg("path", { d: "M1 1 L9 9 M9 1 L1 9" }),
  );
  return svg("defs", {}, ...heads, cross);
}
