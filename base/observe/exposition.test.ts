import { expect, it } from "vitest";
import { exposition } from "./exposition.ts";
import { addMetric, CounterFamily, HistogramFamily } from "./families.ts";
import { Counter, Histogram, metricsRegistry, type Registry } from "./metrics.ts";

/** The numbers of rows and buckets of a loaded server. */
const ROWS = 400;

function manyRows(): Registry {
  const registry = metricsRegistry();
  const histograms = new HistogramFamily(registry, "took_seconds", "Time.", [0.1, 1, 10]);
  for (let i = 0; i < ROWS; i++) histograms.of({ row: String(i) }).observe(i);
  return registry;
}

it("writes Prometheus' text format, of own metrics and the library's", async () => {
  const registry = metricsRegistry();
  new CounterFamily(registry, "a_total", "Back\\slash,\nline.").of({ path: 'x"\\\n' }).add(2);
  const histogram = new HistogramFamily(registry, "b_seconds", "Time.", [0.5, 1]).of({ k: "v" });
  histogram.observe(0.25);
  histogram.observe(4, 2);
  new Counter({ name: "c_total", help: "C.", labelNames: ["l"], registers: [registry] }).inc(
    { l: "m" },
    3,
  );
  new Histogram({ name: "d_seconds", help: "D.", buckets: [1], registers: [registry] }).observe(2);
  addMetric(registry, { name: "e", help: "E.", type: "gauge" }, () =>
    [NaN, Infinity, -Infinity].map((value) => ({ labels: {}, value })),
  );
  const { type, body } = await exposition(registry);
  expect(type).toBe("text/plain; version=0.0.4; charset=utf-8");
  expect(body).toBe(
    [
      "# HELP a_total Back\\\\slash,\\nline.",
      "# TYPE a_total counter",
      'a_total{path="x\\"\\\\\\n"} 2',
      "# HELP b_seconds Time.",
      "# TYPE b_seconds histogram",
      'b_seconds_bucket{k="v",le="0.5"} 1',
      'b_seconds_bucket{k="v",le="1"} 1',
      'b_seconds_bucket{k="v",le="+Inf"} 3',
      'b_seconds_sum{k="v"} 8.25',
      'b_seconds_count{k="v"} 3',
      "# HELP c_total C.",
      "# TYPE c_total counter",
      'c_total{l="m"} 3',
      "# HELP d_seconds D.",
      "# TYPE d_seconds histogram",
      'd_seconds_bucket{le="1"} 0',
      'd_seconds_bucket{le="+Inf"} 1',
      "d_seconds_sum 2",
      "d_seconds_count 1",
      "# HELP e E.",
      "# TYPE e gauge",
      "e NaN",
      "e +Inf",
      "e -Inf",
      "",
    ].join("\n"),
  );
});

it("writes the same text twice", async () => {
  const registry = manyRows();
  const first = await exposition(registry);
  expect(first.body.split("\n")).toHaveLength(2 + ROWS * 6 + 1);
  expect(await exposition(registry)).toEqual(first);
});
