/**
 * Records the metrics that upstream's sources call stable, each with its type and labels, for
 * `test/e2e/measured.test.ts`.
 * Use: `node scripts/record-stable-metrics.ts` (needs Go's module proxy, or a filled cache).
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { stableMetrics } from "./facts/metrics.ts";

const FILE = join(import.meta.dirname, "../test/e2e/testdata/stable-metrics.txt");

const lines = [...stableMetrics()].map(([name, { type, labels = "" }]) =>
  [name, type, labels].join(" ").trimEnd(),
);
writeFileSync(FILE, `${lines.sort().join("\n")}\n`);
