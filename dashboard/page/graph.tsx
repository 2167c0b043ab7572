import { useEffect, useRef } from "preact/hooks";
import UPlot from "uplot";

const HEIGHT_PX = 150;
const HUES = ["--accent", "--good", "--soon", "--bad"];

/** Points in time of several lines: seconds since 1970, then the values of each. */
export type Points = [number[], ...(number | null)[][]];

/** Lines over time, and their last values as text, which a screen reader reads. */
export default function Graph({ title, labels, points, unit }: {
  title: string; labels: string[]; points: Points; unit(value: number): string;
}) {
  const ref = useRef<HTMLDivElement>(null);
  const plot = useRef<UPlot>(undefined);
  useEffect(() => {
    const color = (name: string) => getComputedStyle(document.body).getPropertyValue(name);
    const grid = { stroke: () => color("--line"), width: 1 };
    const axis = { stroke: () => color("--ink"), grid };
    plot.current = new UPlot({
      width: ref.current!.clientWidth, height: HEIGHT_PX, legend: { show: false },
      cursor: { y: false },
      scales: { y: { range: (_, __, max) => [0, max > 0 ? max * 1.1 : 1] } },
      axes: [axis, { ...axis, size: 70, values: (_, splits) => splits.map(unit) }],
      series: [{}, ...labels.map((label, i) => ({
        label, width: 2, stroke: () => color(HUES[i % HUES.length]!),
      }))],
    }, points, ref.current!);
    return () => plot.current?.destroy();
  }, [labels.join()]);
  useEffect(() => plot.current?.setData(points), [points]);
  const last = (i: number) => points[i + 1]?.at(-1);
  return (
    <figure class="graph"><figcaption><b>{title}</b>{labels.map((label, i) => (
      <span><i aria-hidden="true" class={`line${i % HUES.length}`}>━</i>{label}{" "}
        {typeof last(i) === "number" ? unit(last(i)!) : "none yet"}</span>))}</figcaption>
      <div ref={ref} aria-hidden="true" /></figure>
  );
}
