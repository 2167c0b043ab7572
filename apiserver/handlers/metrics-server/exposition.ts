import { METRICS_LINE_CHARS_MAX } from "../../limits.ts";

/** One sample of Prometheus' text format. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
  /** Milliseconds since 1970, where the line has them. */
  readonly time_ms: number | undefined;
}

const LINE = /^([a-zA-Z_:][\w:]*)(\{.*\})?[ \t]+(\S+)(?:[ \t]+(-?\d+))?[ \t]*$/;
/** Sticky: the text comes from a node, and a search from each place takes time by its square. */
const LABEL = /[\s,]*([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/gy;
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", "\\": "\\", '"': '"' };

/**
 * Reads the samples of some names, line by line: undefined for a line that is none, or is longer
 * than METRICS_LINE_CHARS_MAX.
 */
export function* samplesOf(
  text: string,
  names: ReadonlySet<string>,
): Generator<Sample | undefined> {
  let start = 0;
  while (start < text.length) {
    const end = text.indexOf("\n", start);
    const line = text.slice(start, end === -1 ? text.length : end);
    start = end === -1 ? text.length : end + 1;
    yield line.length > METRICS_LINE_CHARS_MAX ? undefined : sampleOf(line, names);
  }
}

function sampleOf(line: string, names: ReadonlySet<string>): Sample | undefined {
  const [, name = "", labels = "", value = "", time] = LINE.exec(line) ?? [];
  if (!names.has(name)) return undefined;
  const time_ms = time === undefined ? undefined : Number(time);
  return { name, labels: labelsOf(labels), value: Number(value), time_ms };
}

function labelsOf(text: string): Record<string, string> {
  const pairs = [...text.slice(1, -1).matchAll(LABEL)].map(([, name = "", value = ""]) => [
    name,
    value.replace(/\\(.)/g, (_, escaped: string) => ESCAPES[escaped] ?? escaped),
  ]);
  return Object.fromEntries(pairs) as Record<string, string>;
}
