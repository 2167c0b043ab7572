export type PrometheusSample = readonly [
  labels: Record<string, string>,
  value: number,
  time_ms: number | undefined,
];

/** Prometheus' text format, where samples have times of their own. */
export class PrometheusText {
  readonly #lines: string[] = [];

  /** A metric without samples is left out. */
  metric(
    name: string,
    type: "counter" | "gauge",
    help: string,
    samples: readonly PrometheusSample[],
  ): void {
    if (samples.length === 0) return;
    this.#lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
    for (const [labels, value, time_ms] of samples) {
      const pairs = Object.entries(labels).map(([key, text]) => `${key}=${JSON.stringify(text)}`);
      const of = pairs.length > 0 ? `{${pairs.join(",")}}` : "";
      this.#lines.push(`${name}${of} ${value}${time_ms === undefined ? "" : ` ${time_ms}`}`);
    }
  }

  toString(): string {
    return `${this.#lines.join("\n")}\n`;
  }
}
