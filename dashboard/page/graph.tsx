import { useEffect, useRef } from "preact/hooks";
import UPlot from "uplot";
import { serverNow_ms } from "./api.ts";
import { Problem, useAsked } from "./widgets.tsx";

const EVERY_MS = 5_000;
const POINTS_MAX = 720;
const HEIGHT_PX = 150;
/** The least time that a graph shows. */
const WINDOW_S = 60;
/** Classes of the style sheet, `line0` and so on, with a colour each. */
const HUES = 4;

/** Points in time of several lines: seconds since 1970, then the values of each. */
type Points = [number[], ...(number | null)[][]];

/** A graph, with a label for each of its lines. */
export type GraphOf = { title: string; labels: readonly string[]; unit(value: number): string };

type GraphsProps = {
  label: string;
  of: readonly GraphOf[];
  /** Resolves with the present values, of all lines of all graphs in their order. */
  ask(now_s: number): Promise<(number | null)[]>;
};

/** Graphs that get a point every few seconds, as long as they are shown. */
export default function Graphs({ label, of, ask }: GraphsProps) {
  const all = useRef<Points>(undefined);
  const add = async () => {
    const now_s = serverNow_ms() / 1_000;
    const values = [now_s, ...(await ask(now_s))];
    const before = all.current ?? [];
    const after = values.map((value, i) => [...(before[i] ?? []), value].slice(-POINTS_MAX));
    return (all.current = after as Points);
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
    </>
  );
}

/** The times to show; for a single one the library would choose years. */
function windowOf(times: ArrayLike<number>): [number, number] {
  const last = times[times.length - 1]!;
  return [Math.min(times[0]!, last - WINDOW_S), last];
}

/** Lines over time, and their last values as text, which a screen reader reads. */
function Graph({ title, labels, points, unit }: GraphOf & { points: Points }) {
  const ref = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot>(undefined);
  useEffect(() => {
    // A canvas knows computed colours alone, not the style sheet's variables.
    const styleOf = (selector: string) =>
      getComputedStyle(ref.current!.parentElement!.querySelector(selector)!);
    const grid = { stroke: () => styleOf("div").borderTopColor, width: 1 };
    const axis = { stroke: () => styleOf("div").color, grid };
    plot.current = new UPlot(
      {
        width: ref.current!.clientWidth,
        height: HEIGHT_PX,
        legend: { show: false },
        cursor: { y: false },
        scales: {
          x: { range: ({ data: [times] }) => windowOf(times) },
          y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] },
        },
        axes: [axis, { ...axis, size: 70, values: (_, splits) => splits.map(unit) }],
        series: [
          {},
          ...labels.map((label, i) => ({
            label,
            width: 2,
            stroke: () => styleOf(`.line${i % HUES}`).color,
          })),
        ],
      },
      points,
      ref.current!,
    );
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    const redraw = () => plot.current?.redraw();
    scheme.addEventListener("change", redraw);
    return () => {
      scheme.removeEventListener("change", redraw);
      plot.current?.destroy();
    };
  }, [labels.join()]);
  useEffect(() => plot.current?.setData(points), [points]);
  const last = (i: number) => points[i + 1]?.at(-1);
  return (
    <figure class="graph">
      <figcaption>
        <b>{title}</b>
        {labels.map((label, i) => (
          <span>
            <i aria-hidden="true" class={`line${i % HUES}`}>
              ━
            </i>
            {label} {typeof last(i) === "number" ? unit(last(i)!) : "none yet"}
          </span>
        ))}
      </figcaption>
      <div ref={ref} aria-hidden="true" />
    </figure>
  );
}
