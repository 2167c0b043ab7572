import { useEffect, useRef } from "preact/hooks";
import UPlot from "uplot";
import { serverNow_ms } from "./api.ts";
import { Problem, useAsked } from "./widgets.tsx";

const EVERY_MS = 5_000;
const POINTS_MAX = 720;
const WINDOW_S = 60;
const HEIGHT_PX = 190;
/** Lines and rules, each visible on light and on dark ground. */
const COLOURS = ["#3884f4", "#0f9a7b", "#c77b0a", "#e0486a"];
const grid = { stroke: "#8884", width: 1 };

type Value = number | null;
/** Seconds since 1970, then the values of each line; null: there is none. */
type Points = [number[], ...Value[][]];

export type GraphOf = { title: string; labels: readonly string[]; unit: string };

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
function Graph({ title, labels, unit, points }: GraphOf & { points: Points }) {
  const ref = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot>(undefined);
  useEffect(() => {
    const place = ref.current!;
    // A canvas knows computed colours alone, not the style sheet's variables.
    const stroke = () => getComputedStyle(place).color;
    const text = (number: number) => `${Number(number.toFixed(1))}${unit}`;
    const value = ({ data }: UPlot, at: Value, line: number, pointed: number | null) => {
      const shown = pointed === null ? data[line]!.at(-1) : at;
      return typeof shown === "number" ? text(shown) : "none yet";
    };
    const size = () => ({ width: place.clientWidth, height: HEIGHT_PX });
    const options: UPlot.Options = {
      title,
      ...size(),
      scales: {
        // Around a single time the library would show days.
        x: { range: (_, first, last) => [Math.min(first, last - WINDOW_S), last] },
        y: { range: (_, __, most) => [0, Math.max(most, 1) * 1.1] },
      },
      axes: [
        { stroke, grid, space: 80, values: (_, times) => times.map(clockTime) },
        { stroke, grid, size: 70, values: (_, values) => values.map(text) },
      ],
      series: [
        { label: "at", value: (_, at: Value) => (at === null ? "last" : clockTime(at)) },
        ...labels.map((label, i) => ({ label, stroke: COLOURS[i]!, width: 2, value })),
      ],
    };
    const made = new UPlot(options, points, place);
    const resized = new ResizeObserver(() => made.setSize(size()));
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
