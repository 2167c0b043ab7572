/**
 * Records the metrics that upstream's sources list for kube-controller-manager, each with its type
 * and labels, for `test/contract/controllers/metrics.test.ts`.
 * Use: `node scripts/record-controller-metrics.ts` (needs Go's module proxy, or a filled cache).
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { listedMetrics } from "./facts/metrics.ts";

const FILE = join(import.meta.dirname, "../test/contract/controllers/recorded/metrics.txt");

const lines = [...listedMetrics("kube-controller-manager")].map(([name, { type, labels = "" }]) =>
  [name, type, labels].join(" ").trimEnd(),
);
writeFileSync(FILE, `${lines.sort().join("\n")}\n`);
