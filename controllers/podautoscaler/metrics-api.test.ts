import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type {
  HorizontalPodAutoscaler,
  MetricSpec,
  MetricTarget,
} from "@raft2kube/api/gen/autoscaling/v2.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { AUTOSCALER_DEFAULTS } from "../autoscaler-settings.ts";
import { readMetric } from "./measure.ts";
import { MetricsApi } from "./metrics-api.ts";

const CUSTOM = "/apis/custom.metrics.k8s.io";
const EXTERNAL = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop";

let server: Server;
let client: KubeClient;
let api: MetricsApi;
/** The answers of the API by path and query: an object, or a status. */
let pages: Record<string, object | number>;
const asked: string[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    asked.push(request.url ?? "");
    const page = pages[decodeURIComponent(request.url ?? "")] ?? 404;
    if (typeof page === "number") return void response.writeHead(page).end("refused\n");
    response.end(JSON.stringify(page));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
});
afterAll(() => void server.close());
beforeEach(() => {
  client?.close();
  const { port } = server.address() as AddressInfo;
  client = new KubeClient({ server: `http://127.0.0.1:${port}` });
  api = new MetricsApi(client);
  pages = {
    [CUSTOM]: { versions: [{ version: "v9" }, { version: "v1beta1" }] },
    "/api": {
      items: [
        {
          versions: [
            {
              version: "v1",
              resources: [
                {
                  resource: "services",
                  scope: "Namespaced",
                  verbs: [],
                  responseKind: { kind: "Service" },
                },
              ],
            },
          ],
        },
      ],
    },
    "/apis": { items: [] },
  };
});
afterAll(() => client.close());

const values = (...amounts: string[]) => ({
  items: amounts.map((value, index) => ({
    describedObject: { kind: "Pod", name: `p${index}` },
    timestamp: "2030-01-01T00:00:00Z",
    value,
  })),
});
const named = { name: "hits", selector: { matchLabels: { path: "/" } } };
const pods = (averageValue: string): MetricSpec => ({
  type: "Pods",
  pods: { metric: named, target: { type: "AverageValue", averageValue } },
});
const object = (target: Omit<MetricTarget, "type">, kind = "Service"): MetricSpec => ({
  type: "Object",
  object: {
    describedObject: { apiVersion: "v1", kind, name: "web" },
    metric: { name: "hits" },
    target: { type: target.value === undefined ? "AverageValue" : "Value", ...target },
  },
});
const external = (target: Omit<MetricTarget, "type">): MetricSpec => ({
  type: "External",
  external: { metric: { name: "queue" }, target: { type: "Value", ...target } },
});

const pod = (name: string): Pod => ({
  metadata: { name, namespace: "shop" },
  spec: { containers: [] },
  status: { phase: "Running", conditions: [{ type: "Ready", status: "True" }] },
});

/** Returns the replicas that a metric asks for of two ready pods, or why there are none. */
async function reading(metric: MetricSpec, statusReplicas = 2) {
  const answer = await api.read(metric, "shop", "app=web");
  const autoscaler: HorizontalPodAutoscaler = {
    metadata: { name: "a", namespace: "shop" },
    spec: { scaleTargetRef: { kind: "Deployment", name: "web" }, maxReplicas: 100 },
  };
  const measured = {
    pods: [pod("p0"), pod("p1")],
    currentReplicas: 2,
    statusReplicas,
    now_ms: Date.UTC(2030, 0, 1),
    answered: { items: [] },
    settings: AUTOSCALER_DEFAULTS,
  };
  return readMetric(autoscaler, metric, measured, answer);
}

it("a metric of pods is read of all of them, and scales by its average", async () => {
  const query = "labelSelector=app=web&metricLabelSelector=path=/";
  pages[`${CUSTOM}/v1beta1/namespaces/shop/pods/*/hits?${query}`] = values("30", "10");
  expect(await reading(pods("10"))).toEqual({
    replicas: 4,
    name: "pods metric hits",
    status: { type: "Pods", pods: { metric: named, current: { averageValue: "20" } } },
  });
});

it.each([
  [object({ value: "10" }), "25", 5, { value: "25" }],
  [object({ averageValue: "10" }), "25", 3, { averageValue: "12500m" }],
  [object({ value: "24" }), "25", 2, { value: "25" }],
] as const)("%j with an amount of %s is %i replicas", async (metric, amount, replicas, current) => {
  pages[`${CUSTOM}/v1beta1/namespaces/shop/services/web/hits`] = values(amount);
  expect(await reading(metric)).toMatchObject({ replicas, status: { object: { current } } });
});

it("a metric of the namespace is that of the autoscaler's own", async () => {
  pages[`${CUSTOM}/v1beta1/namespaces/shop/metrics/hits`] = values("1");
  expect(await reading(object({ value: "1" }, "Namespace"))).toMatchObject({ replicas: 2 });
});

it.each([
  [external({ value: "10" }), 3, { value: "15" }],
  [external({ averageValue: "4" }), 4, { averageValue: "7500m" }],
])("%j sums its values", async (metric, replicas, current) => {
  pages[`${EXTERNAL}/queue`] = values("10", "5");
  expect(await reading(metric)).toMatchObject({
    replicas,
    name: "external metric queue(nil)",
    status: { external: { current } },
  });
});

// Facts of upstream's replica calculator, where two replicas are wanted.
it.each([
  ["more than are wanted", 4, "42", 4, "10500m"],
  ["fewer", 1, "21", 3, "21"],
  ["none yet", 0, "21", 3, "21"],
])(
  "an average is that of the pods there are: %s",
  async (_name, pods, amount, replicas, average) => {
    pages[`${EXTERNAL}/queue`] = values(amount);
    expect(await reading(external({ averageValue: "10" }), pods)).toMatchObject({
      replicas,
      status: { external: { current: { averageValue: average } } },
    });
  },
);

const FAILED = "unable to fetch metrics from custom metrics API: ";
it.each([
  [{ [CUSTOM]: 404 }, "no custom metrics API (custom.metrics.k8s.io) registered"],
  [{ [CUSTOM]: { versions: [{ version: "v9" }] } }, "no known available metric versions found"],
  [{}, "the server could not find the requested resource (get hits.custom.metrics.k8s.io)"],
  [503, "the server is currently unable to handle the request (get hits.custom.metrics.k8s.io)"],
  [{ items: "many" }, "the answer has no list of values"],
  [{ items: [{ value: 7 }] }, "a value of the answer has no quantity"],
  [values(), "the custom metrics API server returned 0 results when we asked for exactly one"],
] as const)("the API answers %j: %s", async (page, why) => {
  const isGroup = typeof page === "object" && CUSTOM in page;
  if (isGroup) Object.assign(pages, page);
  else if (page === 503 || Object.keys(page).length > 0) {
    pages[`${CUSTOM}/v1beta1/namespaces/shop/services/web/hits`] = page;
  }
  expect(await reading(object({ value: "1" }))).toMatchObject({
    failed: "FailedGetObjectMetric",
    message: `unable to get metric hits: Service on shop web/${FAILED}${why}`,
  });
});

it("a kind that the cluster does not have is named", async () => {
  expect(await reading(object({ value: "1" }, "Train"))).toMatchObject({
    message:
      `unable to get metric hits: Train on shop web/${FAILED}unable to map kind Train to resource: ` +
      `no matches for kind "Train" in group ""`,
  });
});

it("an amount beyond all numbers is the most replicas", async () => {
  pages[`${EXTERNAL}/queue`] = values("9E", "9E");
  expect(await reading(external({ value: "1m" }))).toMatchObject({ replicas: 2 ** 31 - 1 });
});
