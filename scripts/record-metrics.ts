/**
 * Records which metrics upstream's kube-apiserver has, each with its type and labels, for
 * `test/contract/apiserver/metrics`: those that it serves after a mixed load, and those that its
 * sources list for what did not happen under it. Then what its diagnostic pages answer.
 * Use: `npm run peers -- etcd kube-apiserver`, then `node scripts/record-metrics.ts` (needs Go's
 * module proxy, or a filled module cache).
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parse } from "yaml";
import { startTheirs } from "../test/contract/apiserver/metrics/servers.ts";
import { mixedLoad } from "../test/contract/apiserver/metrics/load.ts";
import {
  type Metric,
  metricsIn,
  TABLE_FILE,
  tableText,
} from "../test/contract/apiserver/metrics/metric-table.ts";
import { askPages, PAGES_FILE } from "../test/contract/apiserver/metrics/pages.ts";
import { KUBERNETES_VERSION } from "./facts/packages.ts";

const LIST = "test/instrumentation/documentation/documentation-list.yaml";
const OUTPUT_LIMIT_BYTES = 16 * 1024 * 1024;

/** A metric in upstream's own list. */
interface Listed {
  readonly name: string;
  readonly namespace?: string;
  readonly subsystem?: string;
  readonly type: string;
  readonly labels?: readonly string[];
  readonly componentEndpoints?: readonly { component: string; endpoint: string }[];
}

/** Types of Go that Prometheus' text has other words for. */
const TYPES: Readonly<Record<string, string>> = {
  custom: "gauge",
  timingratiohistogram: "histogram",
};

function listed(): Map<string, Metric> {
  const module = `k8s.io/kubernetes@${KUBERNETES_VERSION}`;
  const output = execFileSync("go", ["mod", "download", "-json", module], {
    encoding: "utf8", maxBuffer: OUTPUT_LIMIT_BYTES,
  });
  const { Dir } = JSON.parse(output) as { Dir: string };
  const all = parse(readFileSync(join(Dir, LIST), "utf8")) as Listed[];
  const served = all.filter(({ componentEndpoints = [] }) => componentEndpoints.some(
    ({ component, endpoint }) => component === "kube-apiserver" && endpoint === "/metrics"));
  return new Map(served.map(({ name, namespace, subsystem, type, labels = [] }) => {
    const whole = [namespace, subsystem, name].filter(Boolean).join("_");
    const word = type.toLowerCase();
    const own = labels.toSorted().join(",");
    return [whole, { type: TYPES[word] ?? word, labels: own, counts: false }];
  }));
}

const upstream = await startTheirs();
try {
  await mixedLoad(upstream.call);
  const served = metricsIn((await upstream.call("GET", "/metrics", {})).body.toString("utf8"));
  mkdirSync(dirname(TABLE_FILE), { recursive: true });
  writeFileSync(TABLE_FILE, tableText(listed(), served));
  const pages = (await askPages(upstream.call)).map((page) => `  ${JSON.stringify(page)}`);
  writeFileSync(PAGES_FILE, `[\n${pages.join(",\n")}\n]\n`);
} finally {
  await upstream.close();
}
