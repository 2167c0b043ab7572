import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { request } from "node:https";
import { join } from "node:path";
import { createCa, issueCertificate, type KeyPair } from "@raft2kube/pki/certificate.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type AskOptions, ask } from "../../../../testing/apiserver/ask.ts";
import { type EtcdServer, startEtcd } from "../../../../testing/apiserver/etcd-server.ts";
import { expositionText, startFakeKubelet } from "../../../../testing/apiserver/fake-kubelet.ts";
import {
  startTestApiserver,
  type TestApiserver,
} from "../../../../testing/apiserver/test-apiserver.ts";
import { freePort } from "../../../../testing/free-port.ts";
import { killed } from "../../../../testing/killed.ts";
import { waitFor } from "../../../../testing/wait.ts";

const BIN = join(import.meta.dirname, "../../../../.peers/bin");
const SAMPLE = join(BIN, "sample-apiserver");
const METRICS = join(BIN, "metrics-server");
const patience = { timeout_ms: 90_000 };
const START_TIMEOUT_MS = 120_000;
const SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices";

let etcd: EtcdServer;
let api: TestApiserver;
let admin: KeyPair;
const children: ChildProcess[] = [];
/** The ports of the programs by the names of their Services. */
const ports = new Map<string, number>();

const send = (path: string, options: AskOptions = {}) => ask(api, path, { ...admin, ...options });

async function create(path: string, body: object): Promise<void> {
  const answer = await send(path, { method: "POST", body });
  expect(answer.status, answer.body).toBe(201);
}

async function json<T>(path: string, options: AskOptions = {}): Promise<T> {
  const answer = await send(path, options);
  expect(answer.status, answer.body).toBeLessThan(300);
  return JSON.parse(answer.body) as T;
}

async function start(): Promise<void> {
  etcd = await startEtcd();
  const now_ms = Date.now();
  const ca = await createCa({ commonName: "front-proxy-ca", days: 1, now_ms });
  const wanted = { commonName: "front-proxy-client", usages: ["client" as const], days: 1 };
  api = await startTestApiserver(etcd.client, {
    proxyClient: await issueCertificate(ca, wanted, now_ms),
    services: { resolve: async (_, name) => ({ host: "127.0.0.1", port: ports.get(name)! }) },
    requestHeader: {
      clientCa: ca.cert,
      allowedNames: ["front-proxy-client"],
      usernameHeaders: ["X-Remote-User"],
      uidHeaders: [],
      groupHeaders: ["X-Remote-Group"],
      extraHeaderPrefixes: ["X-Remote-Extra-"],
    },
  });
  admin = await api.credentials("admin", ["system:masters"]);
}

async function close(): Promise<void> {
  for (const child of children.splice(0)) await killed(child);
  await api.close();
  await etcd.close();
}

/** Starts a program behind a Service and registers its version; resolves when it is available. */
async function serve(
  name: string,
  program: string,
  versions: readonly [string, string][],
  flags: string[],
): Promise<void> {
  const port = await freePort();
  ports.set(name, port);
  const kubeconfig = await api.kubeconfigFor(name, ["system:masters"]);
  const ca = await createCa({ commonName: `${name}-ca`, days: 1, now_ms: Date.now() });
  const names = { commonName: name, dnsNames: [`${name}.default.svc`] };
  const pair = await issueCertificate(ca, { ...names, usages: ["server"], days: 1 }, Date.now());
  const [certFile, keyFile] = [join(api.dir, `${name}.crt`), join(api.dir, `${name}.key`)];
  await writeFile(certFile, pair.cert);
  await writeFile(keyFile, pair.key);
  const child = spawn(
    program,
    [
      `--secure-port=${port}`,
      "--bind-address=127.0.0.1",
      `--kubeconfig=${kubeconfig}`,
      `--authentication-kubeconfig=${kubeconfig}`,
      `--authorization-kubeconfig=${kubeconfig}`,
      `--tls-cert-file=${certFile}`,
      `--tls-private-key-file=${keyFile}`,
      ...flags,
    ],
    { stdio: ["ignore", "ignore", "pipe"], cwd: api.dir },
  );
  children.push(child);
  let log = "";
  child.stderr?.on("data", (chunk: Buffer) => (log = `${log}${chunk.toString()}`.slice(-4_000)));
  const spec = { type: "NodePort", ports: [{ port: 443 }] };
  await create("/api/v1/namespaces/default/services", { metadata: { name }, spec });
  const caBundle = Buffer.from(ca.cert).toString("base64");
  for (const [group, version] of versions) {
    const service = { name, namespace: "default" };
    const body = {
      group,
      version,
      service,
      caBundle,
      groupPriorityMinimum: 100,
      versionPriority: 100,
    };
    const metadata = { name: `${version}.${group}` };
    const there = await send(`${SERVICES}/${metadata.name}`);
    if (there.status === 404) await create(SERVICES, { metadata, spec: body });
    else {
      await json(`${SERVICES}/${metadata.name}`, {
        method: "PATCH",
        body: { spec: body },
        headers: { "content-type": "application/merge-patch+json" },
      });
    }
    await waitFor(
      `${metadata.name} to be available`,
      async () => {
        if (child.exitCode !== null) throw new Error(`${name} ended: ${log}`);
        type Found = { status?: { conditions?: { status: string; reason: string }[] } };
        const { status } = await json<Found>(`${SERVICES}/${metadata.name}`);
        const [found] = status?.conditions ?? [];
        return found?.status === "True" && found.reason === "Passed";
      },
      patience,
    );
  }
}

interface Discovered {
  items: {
    metadata: { name: string };
    versions: { version: string; freshness: string; resources?: { resource: string }[] }[];
  }[];
}
const V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

async function resourcesOf(group: string): Promise<string[]> {
  const { items } = await json<Discovered>("/apis", { headers: { accept: V2 } });
  const found = items.find(({ metadata }) => metadata.name === group);
  return (found?.versions ?? []).flatMap(({ version, freshness, resources = [] }) =>
    freshness === "Current" ? resources.map(({ resource }) => `${version}/${resource}`) : [],
  );
}

describe.runIf(existsSync(SAMPLE))("upstream's sample-apiserver behind ours", () => {
  const GROUP = "wardle.example.com";
  const FLUNDERS = `/apis/${GROUP}/v1alpha1/namespaces/default/flunders`;
  /** A store of its own: before etcd 3.5 its watches wait for revisions that are ours. */
  let own: EtcdServer;
  beforeAll(async () => {
    own = await startEtcd();
    await start();
    await serve(
      "wardle",
      SAMPLE,
      [
        [GROUP, "v1alpha1"],
        [GROUP, "v1beta1"],
      ],
      [`--etcd-servers=${own.url}`],
    );
  });
  afterAll(async () => {
    await close();
    await own.close();
  });

  test("its resources are created, watched, patched, listed in each version, deleted", async () => {
    const events: string[] = [];
    const watch = request(`${api.server}${FLUNDERS}?watch=1`, { ca: api.ca.cert, ...admin });
    watch.on("error", () => undefined);
    let isOpen = false;
    watch.on("response", (answer) => {
      isOpen = true;
      answer.on("error", () => undefined);
      answer.on("data", (chunk: Buffer) =>
        events.push(
          ...[...chunk.toString().matchAll(/"type":"([A-Z]+)"/g)].map(([, type]) => type!),
        ),
      );
    });
    watch.end();
    await waitFor("the watch", () => isOpen, patience);
    await create(FLUNDERS, {
      apiVersion: `${GROUP}/v1alpha1`,
      kind: "Flunder",
      metadata: { name: "first", labels: { a: "b" } },
    });
    await json(`${FLUNDERS}/first`, {
      method: "PATCH",
      body: { metadata: { labels: { c: "d" } } },
      headers: { "content-type": "application/merge-patch+json" },
    });
    const beta = FLUNDERS.replace("v1alpha1", "v1beta1");
    const list = await json<{ items: { metadata: { labels: object } }[] }>(beta);
    expect(list.items.map(({ metadata }) => metadata.labels)).toEqual([{ a: "b", c: "d" }]);
    await json(`${FLUNDERS}/first`, { method: "DELETE" });
    await waitFor(`the last of ${events.join()}`, () => events.includes("DELETED"), patience);
    expect(events).toEqual(["ADDED", "MODIFIED", "DELETED"]);
    watch.destroy();
  });

  test("a user without rights to them is refused, by this server's answer to theirs", async () => {
    const user = await api.credentials("jane");
    expect((await send(FLUNDERS, user)).status).toBe(403);
  });

  test("discovery and OpenAPI have them", async () => {
    await waitFor(
      "discovery",
      async () => (await resourcesOf(GROUP)).includes("v1alpha1/flunders"),
      patience,
    );
    expect(await resourcesOf(GROUP)).toEqual(
      expect.arrayContaining(["v1alpha1/fischers", "v1alpha1/flunders", "v1beta1/flunders"]),
    );
    type Index = { paths: Record<string, { serverRelativeURL: string }> };
    const path = `apis/${GROUP}/v1alpha1`;
    await waitFor(
      "OpenAPI",
      async () => path in (await json<Index>("/openapi/v3")).paths,
      patience,
    );
    const { paths } = await json<Index>("/openapi/v3");
    const document = await json<{ components: { schemas: object } }>(
      paths[path]!.serverRelativeURL,
    );
    expect(Object.keys(document.components.schemas).join()).toMatch(/wardle\.v1alpha1\.Flunder/);
    const v2 = await json<{ paths: object; definitions: object }>("/openapi/v2");
    expect(Object.keys(v2.paths)).toContain(`/${path}/namespaces/{namespace}/flunders/{name}`);
    expect(Object.keys(v2.definitions).join()).toMatch(/wardle\.v1alpha1\.Flunder/);
  });
});

describe.runIf(existsSync(METRICS))("metrics-server behind ours", () => {
  const API = "/apis/metrics.k8s.io/v1beta1";
  beforeAll(start, START_TIMEOUT_MS);
  afterAll(close);

  test("it takes over metrics.k8s.io, and gives it back", async () => {
    const kubelet = await startFakeKubelet(api.ca, () => {
      const cpu_s = ((Date.now() / 1e3) % 1e6) * 0.5;
      return expositionText(Date.now(), { cpu_s, memory_bytes: 2 ** 30 }, []);
    });
    await create("/api/v1/nodes", { metadata: { name: "n1" } });
    const node = await json<object>("/api/v1/nodes/n1");
    await json("/api/v1/nodes/n1/status", {
      method: "PUT",
      body: {
        ...node,
        status: {
          addresses: [{ type: "InternalIP", address: "127.0.0.1" }],
          daemonEndpoints: { kubeletEndpoint: { Port: kubelet.port } },
        },
      },
    });
    const name = "v1beta1.metrics.k8s.io";
    await serve(
      "metrics-server",
      METRICS,
      [["metrics.k8s.io", "v1beta1"]],
      [
        "--metric-resolution=10s",
        "--kubelet-request-timeout=5s",
        "--kubelet-insecure-tls",
        "--kubelet-preferred-address-types=InternalIP",
        "--kubelet-use-node-status-port",
      ],
    );
    type Metrics = { items: { metadata: { name: string }; usage: { memory: string } }[] };
    const asked = kubelet.asked;
    await waitFor(
      "the metrics of the node",
      async () => (await json<Metrics>(`${API}/nodes`)).items.length === 1,
      patience,
    );
    const { items } = await json<Metrics>(`${API}/nodes`);
    expect(items).toMatchObject([{ metadata: { name: "n1" }, usage: { memory: "1Gi" } }]);
    expect(kubelet.asked).toBeGreaterThan(asked);
    await killed(children.at(-1)!);
    await json(`${SERVICES}/${name}`, { method: "DELETE" });
    await waitFor(
      "our own metrics",
      async () => JSON.parse((await send(`${API}/nodes`)).body).items?.[0]?.usage.memory === "1Gi",
      patience,
    );
    await kubelet.close();
  });
});
