/**
 * Records the metrics that upstream's sources list, each with its type and labels: those of
 * kube-controller-manager for `test/contract/controllers/metrics.test.ts`, and the stable ones of
 * all components for `test/e2e/measured.test.ts`.
 * Use: `node scripts/record-listed-metrics.ts` (needs Go's module proxy, or a filled cache).
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Metric } from "../test/contract/apiserver/metrics/metric-table.ts";
import { listedMetrics, stableMetrics } from "./facts/metrics.ts";

function record(file: string, metrics: ReadonlyMap<string, Metric>): void {
  const lines = [...metrics].map(([name, { type, labels = "" }]) =>
    [name, type, labels].join(" ").trimEnd(),
  );
  writeFileSync(join(import.meta.dirname, "../test", file), `${lines.sort().join("\n")}\n`);
}

record("contract/controllers/recorded/metrics.txt", listedMetrics("kube-controller-manager"));
record("e2e/testdata/stable-metrics.txt", stableMetrics());
