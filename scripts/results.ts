// `node scripts/results.ts`: makes docs/RESULTS.md from what benchmarks, simulator, storage faults
// and docs/records.yaml have recorded.
import { writeFileSync } from "node:fs";
import { RESULTS_PAGE, resultsPage } from "./results/page.ts";

writeFileSync(RESULTS_PAGE, resultsPage());
