import { useRef } from "preact/hooks";
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
export type GraphOf = {
  title: string;
  labels: readonly string[];
  /** Shows multiples of `step` without rounding them. */
  unit(value: number): string;
  step: number;
};

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

/** Lines over time, and their last values as text, which a screen reader reads. */
function Graph({ title, labels, unit, step, times, lines }: GraphProps) {
  const last = times.at(-1)!;
  const first = Math.min(times[0]!, last - WINDOW_S);
  const top = topOf(Math.max(...lines.flat().map(Number)), step);
  const at = (value: number, i: number) =>
    `${(WIDTH * (times[i]! - first)) / (last - first)} ${HEIGHT * (1 - value / top)}`;
  const isGap = (value: number | null | undefined) => (value ?? null) === null;
  // A line starts again after a gap.
  const path = (values: Values) =>
    values
      .map((value, i) =>
        value === null ? "" : `${isGap(values[i - 1]) ? "M" : "L"}${at(value, i)}`,
      )
      .join("");
  /** Lone points, as steps of no length. */
  const dots = (values: Values) =>
    values
      .map((value, i) => {
        const isLone = isGap(values[i - 1]) && isGap(values[i + 1]);
        return value !== null && isLone ? `M${at(value, i)}h0` : "";
      })
      .join("");
  const latest = ([value = null]: Values) => (value === null ? "none yet" : unit(value));
  return (
    <figure class="graph">
      <figcaption>
        <b>{title}</b>
        {labels.map((label, i) => (
          <span>
            <i aria-hidden="true" class={`line${i}`}>
              ━
            </i>
            {label} {latest(lines[i]!.slice(-1))}
          </span>
        ))}
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        <path class="half" d={`M0 ${HEIGHT / 2}H${WIDTH}`} />
        {lines.map((values, i) => (
          <g class={`line${i}`}>
            <path d={path(values)} />
            <path class="dot" d={dots(values)} />
          </g>
        ))}
      </svg>
      <div class="axis soft" aria-hidden="true">
        <span>{Math.round(last - first)} s ago</span>
        <span>
          from 0 to {unit(top)}, line at {unit(top / 2)}
        </span>
        <span>now</span>
      </div>
    </figure>
  );
}
