import type { Playback } from "../../playback.ts";
import type { Track, TrackState } from "../../recording.ts";
import { svg } from "../dom.ts";
import type { LabelPlacer } from "./labels.ts";

const BAND = 20;
const ROW = 108;
const SMALL_ROW = 84;
/** The column of names is as wide as the longest of them, within limits. */
const NAMES = { min: 96, max: 230, margin: 26, character: 7.6 };
/** A long band repeats its text. */
const REPEATED = 460;
const TIMER = 22;
const CHARACTER = 6.4;
/** Marks whose progress is shown where it happens. */
const SHOWN_MARKS = ["committed", "acknowledged", "compacted", "survives a power loss"];

/** The tracks from top to bottom, in pixels. */
export interface Rows {
  readonly height: number;
  /** Width of the column of names. */
  readonly names: number;
  readonly band: number;
  /** Upper edge of a track's band. */
  top(track: string): number;
  /** How many tracks one is from another. */
  distance(from: string, to: string): number;
  /** Extent from the edge of one band to the edge of another. */
  between(from: string, to: string): readonly [number, number];
}

/** Places tracks below an axis. */
export function rowsOf(all: readonly Track[], axis: number): Rows {
  const tracks = all.map(({ id }) => id);
  const row = tracks.length > 4 ? SMALL_ROW : ROW;
  const longest = Math.max(...all.map(({ name }) => name.length));
  const names = longest * NAMES.character + NAMES.margin;
  const top = (track: string) => axis + 30 + tracks.indexOf(track) * row;
  return {
    height: axis + 12 + tracks.length * row,
    names: Math.min(NAMES.max, Math.max(NAMES.min, names)),
    band: BAND,
    top,
    distance: (from, to) => Math.abs(tracks.indexOf(from) - tracks.indexOf(to)),
    between: (from, to) => {
      const [start, end] = [top(from), top(to)];
      return start < end ? [start + BAND, end] : [start, end + BAND];
    },
  };
}

/** The part of a recording that is drawn, in pixels. */
export interface DrawnPart {
  readonly playback: Playback;
  readonly from: number;
  readonly to: number;
  readonly rows: Rows;
}

type Span = { readonly from: number; readonly to: number; readonly state: TrackState };

/** Draws the roles and terms of all tracks. */
export function drawBands(part: DrawnPart, labels: LabelPlacer): SVGElement[] {
  const { playback, rows } = part;
  return playback.recording.tracks.flatMap(({ id }) => {
    const spans = playback.spansOf(id);
    const bands = merged(spans, ({ role, condition, facts }) => {
      return `${role} ${condition} ${facts["term"] ?? ""}`;
    });
    const y = rows.top(id);
    // A text that is always the same says no more than the track's name.
    const texts = new Set(bands.filter(isThere).map(({ state }) => textsOf(state)[0]));
    return [
      ...visible(bands, part).map((span) => band(part, span, y, texts.size > 1)),
      ...drawMarks(part, spans, y, labels),
    ];
  });
}

const isThere = ({ state: { role } }: Span): boolean => role !== "none";

/** Returns the texts of a band, the longest first. */
function textsOf({ role, condition, facts }: TrackState): string[] {
  const term = facts["term"] === undefined ? "" : `t${facts["term"]}`;
  return [`${term} ${condition === "running" ? role : condition}`.trim(), term];
}

function band(
  { playback, rows }: DrawnPart,
  { from, to, state }: Span,
  y: number,
  isNamed: boolean,
): SVGElement {
  const [x, end] = [playback.placeOf(from), playback.placeOf(to)];
  const width = Math.max(1, end - x);
  const { role, condition } = state;
  const kind = `band role-${role.replace(/\W+/g, "-")} ${condition}`;
  const [whole = ""] = textsOf(state);
  const fits = (each: string) => each !== "" && each.length * CHARACTER + 12 < width;
  const text = isNamed ? (textsOf(state).find(fits) ?? "") : "";
  const free = width - text.length * CHARACTER;
  const count = text === "" ? 0 : Math.max(1, Math.ceil(free / REPEATED));
  const texts = Array.from({ length: count }, (_, i) => {
    return svg("text", { x: x + 7 + i * REPEATED, y: y + rows.band / 2 + 4 }, text);
  });
  return svg(
    "g",
    { class: kind },
    svg("title", {}, whole),
    svg("rect", { x, y, width, height: rows.band, rx: 4 }),
    ...texts,
  );
}

/** Progress of a mark, below its band: `committed 4`. */
function drawMarks(
  part: DrawnPart,
  spans: readonly Span[],
  y: number,
  labels: LabelPlacer,
): SVGElement[] {
  const { playback, rows, from, to } = part;
  let last = new Map<string, number>();
  return spans.flatMap(({ from: at, state }, i) => {
    const now = new Map(state.marks.map((mark) => [mark.name, mark.at]));
    const advanced = SHOWN_MARKS.filter((name) => (now.get(name) ?? 0) > (last.get(name) ?? 0));
    last = now;
    const x = playback.placeOf(at);
    if (i === 0 || advanced.length === 0 || x < from || x > to) return [];
    const text = advanced.map((name) => `${name} ${now.get(name)}`).join(", ");
    const place = labels.above(text, x + 5, y + rows.band + 13);
    return [
      svg(
        "g",
        { class: "mark" },
        svg("path", { d: `M${x - 4} ${y + rows.band + 9} l4 -7 l4 7 z` }),
        place ? svg("text", { class: "label", ...place }, text) : undefined,
      ),
    ];
  });
}

/** Draws election timers: each rises until it is started again, or fires. */
export function drawTimers(part: DrawnPart): SVGElement[] {
  const { playback, rows } = part;
  return playback.recording.tracks.flatMap(({ id }) => {
    const base = rows.top(id) + rows.band + TIMER + 4;
    const timers = merged(playback.spansOf(id), ({ timer }) => JSON.stringify(timer));
    return visible(timers, part).flatMap(({ from, to, state: { timer } }) => {
      if (!timer) return [];
      const [x1, x2] = [playback.placeOf(from), playback.placeOf(to)];
      const height = (at: number) => TIMER * Math.min(1, (at - timer.since) / timer.length);
      const [start, end] = [base - height(from), base - height(to)];
      const fired = to - timer.since >= timer.length - 1;
      const outline = `M${x1} ${base} V${start} L${x2} ${end} V${base} z`;
      return [
        svg("path", { class: "timer area", d: outline }),
        svg("path", { class: "timer line", d: `M${x1} ${start} L${x2} ${end}` }),
        ...(fired ? [svg("circle", { class: "timer fired", cx: x2, cy: end, r: 3.5 })] : []),
      ];
    });
  });
}

function visible(spans: readonly Span[], { playback, from, to }: DrawnPart): Span[] {
  return spans.filter((span) => {
    return playback.placeOf(span.to) >= from && playback.placeOf(span.from) <= to;
  });
}

/** Joins spans that follow each other and look the same. */
function merged(spans: readonly Span[], look: (state: TrackState) => string): Span[] {
  const joined: Span[] = [];
  for (const span of spans) {
    const last = joined.at(-1);
    if (last && look(last.state) === look(span.state)) {
      joined[joined.length - 1] = { ...last, to: span.to };
    } else {
      joined.push(span);
    }
  }
  return joined;
}
