import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import type { Metric } from "../../test/contract/apiserver/metrics/metric-table.ts";
import { KUBERNETES_VERSION } from "./packages.ts";

const LIST = "test/instrumentation/documentation/documentation-list.yaml";
const OUTPUT_LIMIT_BYTES = 16 * 1024 * 1024;

/** A metric in upstream's own list. */
interface Listed {
  readonly name: string;
  readonly namespace?: string;
  readonly subsystem?: string;
  readonly type: string;
  readonly stabilityLevel?: string;
  readonly labels?: readonly string[];
  readonly componentEndpoints?: readonly { component: string; endpoint: string }[];
}

/** Types of Go that Prometheus' text has other words for. */
const TYPES: Readonly<Record<string, string>> = {
  custom: "gauge",
  timingratiohistogram: "histogram",
};

/** Every metric of `/metrics` that a component of upstream's lists, by its whole name. */
export const listedMetrics = (component: string): Map<string, Metric> =>
  listed(({ componentEndpoints = [] }) =>
    componentEndpoints.some(
      ({ component: other, endpoint }) => other === component && endpoint === "/metrics",
    ),
  );

/** Every metric that upstream calls stable, of any component, by its whole name. */
export const stableMetrics = (): Map<string, Metric> =>
  listed(({ stabilityLevel }) => stabilityLevel === "STABLE");

function listed(wanted: (metric: Listed) => boolean): Map<string, Metric> {
  const module = `k8s.io/kubernetes@${KUBERNETES_VERSION}`;
  const output = execFileSync("go", ["mod", "download", "-json", module], {
    encoding: "utf8",
    maxBuffer: OUTPUT_LIMIT_BYTES,
  });
  const { Dir } = JSON.parse(output) as { Dir: string };
  const all = parse(readFileSync(join(Dir, LIST), "utf8")) as Listed[];
  return new Map(
    all.filter(wanted).map(({ name, namespace, subsystem, type, labels = [] }) => {
      const whole = [namespace, subsystem, name].filter(Boolean).join("_");
      const isTotal = type === "Custom" && name.endsWith("_total");
      const word = isTotal ? "counter" : type.toLowerCase();
      const own = labels.toSorted().join(",");
      return [whole, { type: TYPES[word] ?? word, labels: own, counts: false }];
    }),
  );
}
