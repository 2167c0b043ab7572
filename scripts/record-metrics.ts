/**
 * Records which metrics upstream's kube-apiserver has, each with its type and labels, for
 * `test/contract/apiserver/metrics`: those that it serves after a mixed load, and those that its
 * sources list for what did not happen under it. Then what its diagnostic pages answer.
 * Use: `npm run peers -- etcd kube-apiserver`, then `node scripts/record-metrics.ts` (needs Go's
 * module proxy, or a filled module cache).
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { mixedLoad } from "../test/contract/apiserver/metrics/load.ts";
import {
  metricsIn,
  TABLE_FILE,
  tableText,
} from "../test/contract/apiserver/metrics/metric-table.ts";
import { askPages, PAGES_FILE } from "../test/contract/apiserver/metrics/pages.ts";
import { startTheirs } from "../test/contract/apiserver/metrics/servers.ts";
import { listedMetrics } from "./facts/metrics.ts";

const upstream = await startTheirs();
try {
  await mixedLoad(upstream.call);
  const served = metricsIn((await upstream.call("GET", "/metrics", {})).body.toString("utf8"));
  mkdirSync(dirname(TABLE_FILE), { recursive: true });
  writeFileSync(TABLE_FILE, tableText(listedMetrics("kube-apiserver"), served));
  const pages = (await askPages(upstream.call)).map((page) => `  ${JSON.stringify(page)}`);
  writeFileSync(PAGES_FILE, `[\n${pages.join(",\n")}\n]\n`);
} finally {
  await upstream.close();
}
