import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runProgram } from "@raft2kube/linux/process/run-program.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { COMMANDS } from "../../cli/command-table.ts";
import { type Metric, metricsIn } from "../contract/apiserver/metrics/metric-table.ts";
import type { TestCluster } from "./cluster.ts";
import { sharedCluster } from "./shared-cluster.ts";

/** `name type labels` of each stable metric, by `scripts/record-listed-metrics.ts`. */
const STABLE = join(import.meta.dirname, "testdata/stable-metrics.txt");
const TABLE = join(import.meta.dirname, "../../docs/METRICS.md");
const MONITORING = join(import.meta.dirname, "../../examples/monitoring");
/** Metrics that have no sample, and so no labels to look at, until a rare thing happens. */
const RARE = [
  "apiserver_admission_webhook_admission_duration_seconds",
  "apiserver_requested_deprecated_apis",
  "node_collector_evictions_total",
];

/** Pods of a tenant: one is counted, one has the node's network, and a Job ends. */
const WORK =
  ["quiet", "near"]
    .map(
      (name) => `
apiVersion: v1
kind: Pod
metadata: { name: ${name} }
spec:
  hostNetwork: ${name === "near"}
  terminationGracePeriodSeconds: 0
  containers:
    - name: main
      image: r2k.local/busybox:1
      command: [sh, -c, "sleep 3600"]
      resources: { requests: { cpu: 1m }, limits: { memory: 32Mi } }
`,
    )
    .join("---") +
  `---
apiVersion: batch/v1
kind: Job
metadata: { name: once }
spec:
  template:
    spec:
      restartPolicy: Never
      containers: [{ name: main, image: r2k.local/busybox:1, command: ["true"] }]
`;

let cluster: TestCluster;
let node: string;
let host: string;

beforeAll(async () => {
  cluster = await sharedCluster("measured");
  node = await cluster.ask("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}");
  const config = join(cluster.host.dir, "data", cluster.name, "cluster.json");
  ({ hostAddress: host } = JSON.parse(readFileSync(config, "utf8")) as { hostAddress: string });
  await cluster.apply(WORK);
  await cluster.ask("create", "rolebinding", "tenant", "--clusterrole=edit", "--user=tenant");
  await cluster.ask("wait", "--for=condition=Ready", "pod/quiet", "pod/near", "--timeout=90s");
  await cluster.ask("wait", "--for=condition=Complete", "job/once", "--timeout=60s");
});
afterAll(() => cluster?.leave());

/** A page of the API server, or of a part beside it that listens on a port of the host. */
const page = (path: string, port?: number): Promise<string> =>
  cluster.ask(
    "get",
    "--raw",
    path,
    ...(port ? ["--server", `https://${host}:${port}`, "--insecure-skip-tls-verify"] : []),
  );
const ofKubelet = (path: string) => `/api/v1/nodes/${node}/proxy${path}`;

describe("what is measured", () => {
  it("holds every metric that upstream calls stable", async () => {
    const pages: [where: string, text: string][] = [
      ["API server", await page("/metrics")],
      ["API server `/metrics/slis`", await page("/metrics/slis")],
      ["controllers", await page("/metrics", 10257)],
      ["controllers `/metrics/slis`", await page("/metrics/slis", 10257)],
      ["scheduler", await page("/metrics", 10259)],
      ["scheduler `/metrics/slis`", await page("/metrics/slis", 10259)],
      ["scheduler `/metrics/resources`", await page("/metrics/resources", 10259)],
      ["kubelet", await page(ofKubelet("/metrics"))],
      ["kubelet `/metrics/resource`", await page(ofKubelet("/metrics/resource"))],
    ];
    const served = pages.map(([where, text]) => [where, metricsIn(text)] as const);
    const rows = readFileSync(STABLE, "utf8")
      .trim()
      .split("\n")
      .map((line) => {
        const [name = "", type = "", labels = ""] = line.split(" ");
        const having = served.filter(([, metrics]) => metrics.has(name));
        const sampled = having.filter(([, metrics]) => metrics.get(name)!.labels !== undefined);
        if (sampled.length === 0) expect(RARE).toContain(name);
        const found = sampled.length > 0 ? sampled : having;
        expect(found, name).not.toEqual([]);
        for (const [, metrics] of found) expectAsUpstream(name, metrics.get(name)!, type, labels);
        const where = found.map(([place]) => place).join(", ");
        return `| \`${name}\` | ${type} | ${labels.replaceAll(",", ", ")} | ${where} |`;
      });
    const head =
      "# Stable metrics\n\nEvery metric that Kubernetes calls stable, and where " +
      "it is served: at `/metrics` unless\nanother page is named. `test/e2e/measured.test.ts` " +
      "makes this table.\n\n| metric | type | labels | served by |\n| --- | --- | --- | --- |\n";
    await expect(`${head}${rows.join("\n")}\n`).toMatchFileSnapshot(TABLE);
  });

  it("holds what the alerts of examples/monitoring look at", async () => {
    const rules = readFileSync(join(MONITORING, "alerts.yml"), "utf8");
    // Those of volumes are there while a pod has a claim: kubelet/server/volume-metrics.test.ts.
    const ours = /\b(?:apiserver|etcd|node_collector|scheduler|container|job)_\w+/g;
    const wanted = new Set([...rules.matchAll(ours)].map(([name]) => name.replace(/_bucket$/, "")));
    expect(wanted.size).toBeGreaterThan(6);
    const pages = await Promise.all([
      page("/metrics"),
      page("/metrics", 10257),
      page("/metrics", 10259),
      page(ofKubelet("/metrics/resource")),
    ]);
    const held = new Set(pages.flatMap((text) => [...metricsIn(text).keys()]));
    expect([...wanted].filter((name) => !held.has(name))).toEqual([]);
  });

  it("has alerts whose remedies name commands that exist", () => {
    const rules = readFileSync(join(MONITORING, "alerts.yml"), "utf8");
    const remedies = [...rules.matchAll(/remedy: '(.*)'$/gm)].map(([, remedy = ""]) => remedy);
    const words = remedies.flatMap((remedy) => remedy.match(/(?<=\br2k )\w+/g) ?? []);
    expect(remedies).toHaveLength([...rules.matchAll(/- alert:/g)].length);
    expect(words.filter((word) => !Object.hasOwn(COMMANDS, word))).toEqual([]);
  });

  it("has cAdvisor's metrics of nodes, pods and containers", async () => {
    const text = await page(ofKubelet("/metrics/cadvisor"));
    const of = 'namespace="measured",pod="quiet"';
    const container = `container="main",id="/[^"]+/pod[^"]+/[^"]+",image="r2k.local/busybox:1",name="[^"]+",${of}`;
    const pod = `container="",id="/[^"]+/pod[^"]+",image="",name="",${of}`;
    for (const line of [
      `container_cpu_usage_seconds_total{${container},cpu="total"} \\d`,
      `container_memory_working_set_bytes{${container}} [1-9]`,
      `container_spec_memory_limit_bytes{${container}} 33554432`,
      `container_fs_usage_bytes{${container},device="/[^"]*"} \\d`,
      `container_fs_limit_bytes{${container},device="/[^"]*"} [1-9]`,
      `container_network_receive_bytes_total{${pod},interface="eth0"} \\d`,
      `container_memory_rss{${pod}} [1-9]`,
      `container_network_receive_packets_total{${pod},interface="eth0"} \\d`,
      `container_cpu_user_seconds_total{${container}} \\d`,
      `container_memory_cache{${container}} \\d`,
      `container_oom_events_total{${container}} 0`,
      `container_cpu_usage_seconds_total{container="",id="/",.*} [1-9]`,
      "machine_cpu_cores [1-9]",
    ])
      expect(text).toMatch(new RegExp(`^${line.replaceAll("{", "\\{")}`, "m"));
  });

  it("is not for tenants, where it tells of the whole cluster or node", async () => {
    const ask = async (path: string) =>
      (await cluster.kubectl(["get", "--raw", path, "--as", "tenant"])).stderr;
    for (const path of ["/debug/store", ofKubelet("/network/rules?address=10.96.0.1")]) {
      expect(await ask(path)).toMatch(/Forbidden.*"tenant" cannot get/);
      expect(await page(path)).not.toBe("");
    }
    // The way by a pod of one's own that has the node's address gives no rights of the server's.
    const near = `/api/v1/namespaces/measured/pods/https:near:10250/proxy/network/rules`;
    expect(await ask(`${near}?address=10.96.0.1`)).toMatch(/Unauthorized|asked for the client/);
  });
});

function expectAsUpstream(name: string, metric: Metric, type: string, labels: string): void {
  expect(metric.type, name).toBe(type);
  if (metric.labels !== undefined) expect(metric.labels, name).toBe(labels);
}

const ownPromtool = join(import.meta.dirname, "../../.peers/bin/promtool");
const PROMTOOL = [ownPromtool, "/usr/bin/promtool"].find(existsSync);

describe.runIf(PROMTOOL)("the alerts of examples/monitoring", () => {
  it("fire, each in a case of its own", async () => {
    const namesIn = (file: string, name: RegExp) =>
      [...readFileSync(join(MONITORING, file), "utf8").matchAll(name)].map((found) => found[1]);
    const alerts = namesIn("alerts.yml", /alert: (\w+)/g);
    expect(namesIn("alerts.test.yml", /alertname="(\w+)"/g).sort()).toEqual(alerts.sort());
    const tests = join(MONITORING, "alerts.test.yml");
    expect(await runProgram(PROMTOOL!, ["test", "rules", tests], "")).toContain("SUCCESS");
  });
});
