import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A metric as far as dashboards and alerts depend on it. */
export interface Metric {
  readonly type: string;
  /** Labels, sorted; undefined where no sample shows them. */
  readonly labels: string | undefined;
  /** A sample is not zero. */
  readonly counts: boolean;
}

type MetricTable = ReadonlyMap<string, Metric>;

/** Every metric of kube-apiserver 1.36: those it served under the load, and those it lists. */
export const TABLE_FILE = join(import.meta.dirname, "recorded/metrics.txt");
const DIVERGENCE = join(import.meta.dirname, "../../../../docs/DIVERGENCE.md");

/** The metrics in Prometheus' text. */
export function metricsIn(text: string): Map<string, Metric> {
  const found = new Map<string, Metric>();
  for (const [, name = "", type = ""] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    const sample = new RegExp(`^${name}(?:_bucket|_sum|_count)?(?:\\{(.*)\\})? `, "m").exec(text);
    const labels = [...(sample?.[1] ?? "").matchAll(/(\w+)="/g)].map((match) => match[1]!);
    const own = labels.filter((label) => label !== "le" && label !== "quantile").sort();
    const counts = new RegExp(`^${name}(?:_count)?(?:\\{.*\\})? (?!0$)`, "m").test(text);
    found.set(name, { type, labels: sample ? own.join(",") : undefined, counts });
  }
  return found;
}

/** A metric of upstream's. */
export interface Recorded {
  readonly name: string;
  readonly type: string;
  readonly labels: string;
  /** Whether it had counted something after the load. */
  readonly seen: boolean;
}

/** One line of the table each: name, type, whether it was seen to count or is listed, labels. */
export function tableText(listed: MetricTable, served: MetricTable): string {
  const all = new Map([...listed, ...served]);
  const lines = [...all].map(([name, { type, labels = "" }]) => {
    const seen = served.get(name)?.counts ?? false;
    return [name, type, seen ? "seen" : "listed", labels].join(" ").trimEnd();
  });
  return `${lines.sort().join("\n")}\n`;
}

/** Reads the recorded metrics of upstream. */
export function readTable(): Recorded[] {
  const lines = readFileSync(TABLE_FILE, "utf8").trim().split("\n");
  return lines.map((line) => {
    const [name = "", type = "", how = "", labels = ""] = line.split(" ");
    return { name, type, labels, seen: how === "seen" };
  });
}

/** The names in a table of docs/DIVERGENCE.md; `go_*` stands for all that start so. */
export function absentNames(heading: "Metrics" | "Health checks"): string[] {
  const title = `## ${heading} of \`r2k apiserver\`\n`;
  const [, section = ""] = readFileSync(DIVERGENCE, "utf8").split(title);
  const [table = ""] = section.split("\n## ");
  return [...table.matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(([, cell = ""]) =>
    [...cell.matchAll(/`(\S+?)`/g)].map((match) => match[1]!),
  );
}

/** Whether one of these names means a metric. */
export function names(pattern: string, name: string): boolean {
  return pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}
