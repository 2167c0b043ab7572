import { useRef, useState } from "preact/hooks";
import { serverNow_ms } from "./api.ts";
import { topOf } from "./scale.ts";
import { Problem, useAsked } from "./widgets.tsx";

const EVERY_MS = 5_000;
const POINTS_MAX = 720;
/** The least time that a graph shows. */
const WINDOW_S = 60;
/** The measures of a graph before it is stretched to the page's width. */
const [WIDTH, HEIGHT] = [720, 150];

/** The values of a line at the points in time; null: there is none. */
type Values = readonly (number | null)[];

/** A graph, with a label for each of its lines. */
export interface GraphOf {
  title: string;
  labels: readonly string[];
  unit(value: number): string;
  /** The least difference that `unit` shows. */
  step: number;
}

type GraphsProps = {
  label: string;
  of: readonly GraphOf[];
  /** Resolves with the present values, of all lines of all graphs in their order. */
  ask(now_s: number): Promise<Values>;
};

/** Graphs that get a point every few seconds, as long as they are shown. */
export default function Graphs({ label, of, ask }: GraphsProps) {
  const all = useRef<Values[]>([]);
  const add = async () => {
    const now_s = serverNow_ms() / 1_000;
    return (all.current = [...all.current, [now_s, ...(await ask(now_s))]].slice(-POINTS_MAX));
  };
  const [points, problem] = useAsked(add, [], EVERY_MS);
  let next = 1;
  return (
    <>
      <Problem text={problem} />
      {points && (
        <div class="scroll graphs" tabIndex={0} role="region" aria-label={label}>
          {of.map((graph) => {
            const lines = graph.labels.map((_, i) =>
              points.map((point) => point[next + i] ?? null),
            );
            next += graph.labels.length;
            return <Graph {...graph} times={points.map(([time]) => time!)} lines={lines} />;
          })}
        </div>
      )}
    </>
  );
}

type GraphProps = GraphOf & { times: readonly number[]; lines: readonly Values[] };

/**
 * Lines over time, and as text, which a screen reader reads, their values at the pointer, or else
 * the last ones.
 */
function Graph({ title, labels, unit, step, times, lines }: GraphProps) {
  /** The pointer's place from the start, 0, to the end, 1. */
  const [place, setPlace] = useState(1);
  const last = times.at(-1)!;
  const first = Math.min(times[0]!, last - WINDOW_S);
  const pointed_s = place * (last - first);
  const shown = times.findLastIndex((time) => time - first <= pointed_s);
  const top = topOf(Math.max(...lines.flat().map(Number)), step);
  /** The lines through points with a neighbour, which start again after a gap, or lone points. */
  const path = (values: Values, isLone: boolean) => {
    const has = (i: number) => (values[i] ?? null) !== null;
    const steps = values.map((value, i) => {
      if (value === null || isLone !== !(has(i - 1) || has(i + 1))) return "";
      const x = (WIDTH * (times[i]! - first)) / (last - first);
      const at = `${x} ${HEIGHT * (1 - value / top)}`;
      return has(i - 1) ? `L${at}` : `M${at}h0`;
    });
    return steps.join("");
  };
  const text = (value: number | null = null) => (value === null ? "none yet" : unit(value));
  const point = ({ clientX, currentTarget }: PointerEvent & { currentTarget: SVGElement }) => {
    const { left, width } = currentTarget.getBoundingClientRect();
    setPlace((clientX - left) / width);
  };
  return (
    <figure class="graph">
      <figcaption>
        <b>{title}</b>
        {labels.map((label, i) => (
          <span>
            <i aria-hidden="true" class={`line${i}`}>
              ━
            </i>
            {label} {text(lines[i]![shown])}
          </span>
        ))}
        {place < 1 && <span class="soft">at {clockTime(first + pointed_s)}</span>}
      </figcaption>
      <div class="plot soft" aria-hidden="true">
        <div class="scale">
          {[top, top / 2, 0].map((value) => (
            <span>{unit(value)}</span>
          ))}
        </div>
        <svg
          viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
          preserveAspectRatio="none"
          onPointerMove={point}
          onPointerLeave={() => setPlace(1)}
        >
          <path class="rule" d={`M0 ${HEIGHT / 2}h${WIDTH}`} />
          {place < 1 && <path class="rule" d={`M${WIDTH * place} 0v${HEIGHT}`} />}
          {lines.map((values, i) => (
            <g class={`line${i}`}>
              <path d={path(values, false)} />
              <path class="lone" d={path(values, true)} />
            </g>
          ))}
        </svg>
        <div class="axis">
          <span>{clockTime(first)}</span>
          <span>{clockTime(last)}</span>
        </div>
      </div>
    </figure>
  );
}

const clockTime = (s: number) => new Date(s * 1_000).toLocaleTimeString("en-GB");
