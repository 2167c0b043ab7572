import { Slices } from "@raft2kube/std/slices.ts";
import type { Registry } from "prom-client";
import type { Sample } from "./families.ts";

type Labels = Sample["labels"];

/** A metric's current samples. */
interface Shown {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly values: readonly Sample[];
}

/**
 * Returns the registry in Prometheus' text format, and its content type. A loaded server has tens
 * of thousands of lines: they are written in slices, so that the event loop is not blocked.
 */
export async function exposition(registry: Registry): Promise<{ type: string; body: string }> {
  const parts: string[] = [];
  const slices = new Slices();
  for (const metric of registry.getMetricsAsArray()) {
    const shown = (await (metric as unknown as { get(): Promise<unknown> }).get()) as Shown;
    parts.push(`# HELP ${shown.name} ${escapedHelp(shown.help)}\n`);
    parts.push(`# TYPE ${shown.name} ${shown.type}\n`);
    for (const sample of shown.values) {
      parts.push(lineOf(sample, shown.name));
      if (slices.due) await slices.pause();
    }
  }
  return { type: registry.contentType, body: parts.join("") };
}

function lineOf({ metricName, labels, le, value, time_ms }: Sample, name: string): string {
  const own = textOf(labels);
  const bound = le === undefined ? "" : `le="${le}"`;
  const all = own === "" || bound === "" ? own + bound : `${own},${bound}`;
  const time = time_ms === undefined ? "" : ` ${time_ms}`;
  return `${metricName ?? name}${all === "" ? "" : `{${all}}`} ${numberText(value)}${time}\n`;
}

/** Cache of encoded labels: counters keep their label objects. */
const known = new WeakMap<Labels, string>();

function textOf(labels: Labels): string {
  let text = known.get(labels);
  if (text === undefined) {
    text = Object.entries(labels)
      .map(([name, value]) => `${name}="${escaped(value)}"`)
      .join(",");
    known.set(labels, text);
  }
  return text;
}

function escaped(value: string | number): string {
  return typeof value === "number" ? String(value) : escapedHelp(value).replaceAll('"', '\\"');
}

const escapedHelp = (text: string): string =>
  /[\\\n]/.test(text) ? text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n") : text;

function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}
