import { PacedSocket } from "@raft2kube/streaming/paced-socket.ts";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import {
  expositionText,
  type FakeKubelet,
  startFakeKubelet,
} from "../../../testing/apiserver/fake-kubelet.ts";
import { fileApiserver } from "../../../testing/apiserver/file-apiserver.ts";
import { waitFor } from "../../../testing/wait.ts";

const file = fileApiserver();
const API = "/apis/metrics.k8s.io/v1beta1";
const TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io";
const POD_CORES = 0.25;
let kubelet: FakeKubelet;
/** One that switches protocols. */
let switching: FakeKubelet;

const json = async (path: string, accept = "application/json") => {
  const { status, body } = await file.ask(path, { headers: { accept } });
  return { status, body: JSON.parse(body) as Record<string, never> };
};
const create = async (path: string, body: object) => {
  const { status, body: text } = await file.ask(path, { method: "POST", body });
  expect(status, text).toBe(201);
};
const putStatus = async (path: string, status: object) => {
  const { body } = await file.ask(path);
  const object = { ...(JSON.parse(body) as object), status };
  const answer = await file.ask(`${path}/status`, { method: "PUT", body: object });
  expect(answer.status, answer.body).toBe(200);
};

async function makePod(name: string, nodeName: string, phase = "Running") {
  const path = "/api/v1/namespaces/default/pods";
  await create(path, {
    metadata: { name, labels: { app: name } },
    spec: {
      nodeName,
      containers: [
        { name: "main", image: "i" },
        { name: "side", image: "i" },
      ],
    },
  });
  await putStatus(`${path}/${name}`, { phase });
}

beforeAll(async () => {
  // Both containers of a pod use a quarter of a processor; the node says so of any pod.
  const names = ["web", "elsewhere", "ended"];
  kubelet = await startFakeKubelet(file.api.ca, () => {
    const now_ms = Date.now();
    const cpu_s = ((now_ms / 1e3) % 1e6) * POD_CORES;
    const of = (pod: string, container: string) => ({
      namespace: "default",
      pod,
      container,
      cpu_s,
      memory_bytes: 3 * 1024 * 1024,
    });
    const containers = names.flatMap((pod) => [of(pod, "main"), of(pod, "side")]);
    return expositionText(now_ms, { cpu_s: cpu_s * 8, memory_bytes: 2 ** 30 }, containers);
  });
  switching = await startFakeKubelet(file.api.ca, () => undefined);
  for (const [name, port] of [
    ["n1", kubelet.port],
    ["n2", 1],
    ["switching", switching.port],
  ] as const) {
    await create("/api/v1/nodes", { metadata: { name, labels: { disk: name } } });
    await putStatus(`/api/v1/nodes/${name}`, {
      addresses: [{ type: "InternalIP", address: "127.0.0.1" }],
      daemonEndpoints: { kubeletEndpoint: { Port: port } },
    });
  }
  await create("/api/v1/namespaces/default/serviceaccounts", { metadata: { name: "default" } });
  await makePod("web", "n1");
  await makePod("elsewhere", "n2");
  await makePod("ended", "n1", "Succeeded");
});
afterAll(() => Promise.all([kubelet.close(), switching.close()]));

test("a node's usage is there at the first question, of each node that answers", async () => {
  const paced = new Set<number | undefined>();
  const came = vi.spyOn(PacedSocket.prototype, "came").mockImplementation(function (
    this: PacedSocket,
  ) {
    paced.add(this.source.remotePort);
  });
  await waitFor(
    "the node in the cache",
    async () => (await json(`${API}/nodes`)).body["items"]?.["length"] === 1,
  );
  const { body } = await json(`${API}/nodes`);
  expect(body).toMatchObject({ kind: "NodeMetricsList", apiVersion: "metrics.k8s.io/v1beta1" });
  const [item] = body["items"] as unknown as [{ usage: Record<string, string>; window: string }];
  expect(item).toMatchObject({
    metadata: { name: "n1", labels: { disk: "n1" } },
    usage: { memory: "1Gi" },
  });
  expect(item.window).toMatch(/^[\d.]+s$/);
  expect(Number.parseInt(item.usage["cpu"]!)).toBeGreaterThan(0);
  came.mockRestore();
  // Answers of kubelets are read in turns.
  expect(paced).toContain(kubelet.port);
});

test("a pod's usage by container, if its own node reported it and it runs", async () => {
  const { body } = await json(`${API}/pods`);
  const items = body["items"] as unknown as { metadata: { name: string }; containers: object[] }[];
  expect(items.map(({ metadata }) => metadata.name)).toEqual(["web"]);
  expect(items[0]?.containers).toMatchObject([
    { name: "main", usage: { memory: "3Mi" } },
    { name: "side", usage: { memory: "3Mi" } },
  ]);
});

test.each([
  [`${API}/nodes?labelSelector=disk%3Dn1`, 1],
  [`${API}/nodes?labelSelector=disk%3Dn2`, 0],
  [`${API}/nodes?fieldSelector=metadata.name%3Dn1`, 1],
  [`${API}/nodes?fieldSelector=metadata.name%3Dn2`, 0],
  [`${API}/namespaces/default/pods?labelSelector=app%3Dweb`, 1],
  [`${API}/namespaces/kube-system/pods`, 0],
  [`${API}/pods?fieldSelector=metadata.namespace%3Ddefault`, 1],
])("%s lists %i", async (path, count) => {
  const { status, body } = await json(path);
  expect([status, body["items"]?.["length"]]).toEqual([200, count]);
});

test.each([
  [`${API}/nodes/n3`, 404, 'nodes "n3" not found'],
  [`${API}/nodes/n2`, 404, 'nodes.metrics.k8s.io "n2" not found'],
  [
    `${API}/namespaces/default/pods/elsewhere`,
    404,
    'pods.metrics.k8s.io "default/elsewhere" not found',
  ],
  [
    `${API}/pods?fieldSelector=spec.nodeName%3Dn1`,
    400,
    '"spec.nodeName" is not a known field selector: only "metadata.name", "metadata.namespace"',
  ],
  [`${API}/pods?watch=1`, 405, "the server does not allow this method on the requested resource"],
])("%s answers %i", async (path, code, message) => {
  const { status, body } = await json(path);
  expect([status, body["message"]]).toEqual([code, message]);
});

test("as a table it has metrics-server's columns, the containers summed up", async () => {
  const { body } = await json(`${API}/namespaces/default/pods`, TABLE);
  const table = body as unknown as {
    columnDefinitions: { name: string; format: string }[];
    rows: { cells: string[] }[];
  };
  expect(table.columnDefinitions.map(({ name, format }) => [name, format])).toEqual([
    ["Name", "name"],
    ["cpu", "quantity"],
    ["memory", "quantity"],
    ["Window", "duration"],
  ]);
  expect(table.rows.map(({ cells: [name, , memory] }) => [name, memory])).toEqual([["web", "6Mi"]]);
});

test("discovery, the APIService and the role of readers are there", async () => {
  const { body } = await json(API);
  expect(body["resources"]).toEqual([
    {
      name: "nodes",
      singularName: "",
      namespaced: false,
      kind: "NodeMetrics",
      verbs: ["get", "list"],
    },
    {
      name: "pods",
      singularName: "",
      namespaced: true,
      kind: "PodMetrics",
      verbs: ["get", "list"],
    },
  ]);
  const service = await json("/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io");
  expect(service.body["spec"]).toMatchObject({ groupPriorityMinimum: 100, versionPriority: 100 });
  const role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:aggregated-metrics-reader";
  expect((await json(role)).body["metadata"]?.["labels"]).toMatchObject({
    "rbac.authorization.k8s.io/aggregate-to-view": "true",
  });
});
