import { useEffect, useRef } from "preact/hooks";
import UPlot from "uplot";
import { serverNow_ms } from "./api.ts";
import { Problem, useAsked } from "./widgets.tsx";

const EVERY_MS = 5_000;
const POINTS_MAX = 720;
/** The least time that a graph shows. */
const WINDOW_S = 60;
const HEIGHT_PX = 190;
/** Lines and rules, each visible on light and on dark ground. */
const COLOURS = ["#3884f4", "#0f9a7b", "#c77b0a", "#e0486a"];
const grid = { stroke: "#8884", width: 1 };
/** Steps of a scale: 1, 2, 5, 10 and so on. */
const STEPS = Array.from({ length: 30 }, (_, i) => [1, 2, 5][i % 3]! * 10 ** Math.floor(i / 3));

type Value = number | null;
/** Seconds since 1970, then the values of each line; null: there is none. */
type Points = [number[], ...Value[][]];

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
  /** The source of the values. */
  children: string;
  /** Resolves with the present values, of all lines of all graphs in their order. */
  ask(now_s: number): Promise<Value[]>;
};

/** Graphs that get a point every few seconds, as long as they are shown. */
export default function Graphs({ label, of, children, ask }: GraphsProps) {
  const all = useRef<Points>(undefined);
  const add = async () => {
    const now_s = serverNow_ms() / 1_000;
    const values = [now_s, ...(await ask(now_s))];
    const lines = values.map((value, i) => [...(all.current?.[i] ?? []), value].slice(-POINTS_MAX));
    return (all.current = lines as Points);
  };
  const [points, problem] = useAsked(add, [], EVERY_MS);
  let next = 1;
  return (
    <>
      <Problem text={problem} />
      {points && (
        <div class="scroll graphs" tabIndex={0} role="region" aria-label={label}>
          {of.map((graph) => {
            const lines = points.slice(next, (next += graph.labels.length));
            return <Graph {...graph} points={[points[0], ...lines]} />;
          })}
        </div>
      )}
      <p class="soft">{children}</p>
    </>
  );
}

/** Lines over time; their values at the pointer, or else the last ones, are text. */
function Graph({ title, labels, unit, step, points }: GraphOf & { points: Points }) {
  const ref = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot>(undefined);
  useEffect(() => {
    const place = ref.current!;
    // A canvas knows computed colours alone, not the style sheet's variables.
    const stroke = () => getComputedStyle(place).color;
    const value = ({ data }: UPlot, at: Value, line: number, pointed: number | null) => {
      const shown = pointed === null ? data[line]!.at(-1) : at;
      return typeof shown === "number" ? unit(shown) : "none yet";
    };
    const made = new UPlot(
      {
        title,
        width: place.clientWidth,
        height: HEIGHT_PX,
        scales: {
          // Around a single time the library would show days.
          x: { range: (_, first, last) => [Math.min(first, last - WINDOW_S), last] },
          y: { range: (_, __, most) => [0, Math.max(most, step) * 1.1] },
        },
        axes: [
          { stroke, grid, space: 80, values: (_, times) => times.map(clockTime) },
          {
            ...{ stroke, grid, size: 70, incrs: STEPS.map((each) => each * step) },
            values: (_, values) => values.map(unit),
          },
        ],
        series: [
          { label: "at", value: (_, at: Value) => (at === null ? "last" : clockTime(at)) },
          ...labels.map((label, i) => ({ label, stroke: COLOURS[i]!, width: 2, value })),
        ],
      },
      points,
      place,
    );
    const resize = () => made.setSize({ width: place.clientWidth, height: HEIGHT_PX });
    const resized = new ResizeObserver(resize);
    resized.observe(place);
    plot.current = made;
    return () => {
      resized.disconnect();
      made.destroy();
    };
  }, []);
  useEffect(() => plot.current?.setData(points), [points]);
  return <div class="graph soft" ref={ref} />;
}

const clockTime = (s: number) => new Date(s * 1_000).toLocaleTimeString("en-GB");
