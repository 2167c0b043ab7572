import { networkInterfaces } from "node:os";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { KINDS } from "@raft2kube/api/kinds.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { systemRandom } from "@raft2kube/std/random.ts";
import { afterAll, beforeAll, expect, it } from "vitest";
import { startEtcd } from "../../testing/apiserver/etcd-server.ts";
import { WebhookServer } from "../../testing/apiserver/webhook-server.ts";
import { waitFor } from "../../testing/wait.ts";
import { Resources } from "../resource/resources.ts";
import { WebhookClient } from "./client.ts";
import { Connections } from "./connections.ts";
import { type ServiceResolver, serviceEndpoints } from "./services.ts";

const clock = systemClock();
let etcd: Awaited<ReturnType<typeof startEtcd>>;
let resources: Resources;
let endpoints: ServiceResolver;

beforeAll(async () => {
  etcd = await startEtcd();
  resources = new Resources(KINDS, etcd.client, clock);
  endpoints = serviceEndpoints(resources, systemRandom);
});

afterAll(async () => {
  await resources.close();
  await etcd.close();
});

async function create(apiVersion: string, plural: string, object: KubeObject): Promise<void> {
  const { store, kind } = resources.of(apiVersion, plural);
  const { name = "" } = object.metadata;
  await store.create({ ...object, metadata: { ...object.metadata, namespace: "hooks" } });
  const seen = async () =>
    (await resources.of(apiVersion, plural).cache()).list().some((each) => each.name === name);
  await waitFor(`${kind.kind} ${name}`, seen);
}

const service = async (name: string, spec: object) =>
  await create("v1", "services", { metadata: { name }, spec } as KubeObject);

const slice = async (name: string, of: string, more: object) =>
  await create("discovery.k8s.io/v1", "endpointslices", {
    metadata: { name, labels: { "kubernetes.io/service-name": of } },
    addressType: "IPv4",
    ports: [{ name: "https", port: 8443 }],
    endpoints: [],
    ...more,
  } as KubeObject);

const https = [
  { name: "https", port: 443 },
  { name: "metrics", port: 8080 },
];

it("finds a ready endpoint of the port, in the Service's first family", async () => {
  await service("both", { ports: https, ipFamilies: ["IPv4", "IPv6"] });
  await slice("both-6", "both", { addressType: "IPv6", endpoints: [{ addresses: ["fd00::9"] }] });
  expect(await endpoints.resolve("hooks", "both", 443)).toEqual({ host: "fd00::9", port: 8443 });
  await slice("both-4", "both", {
    endpoints: [
      { addresses: ["192.0.2.7"], conditions: { ready: false } },
      { addresses: ["192.0.2.8"], conditions: { ready: true } },
    ],
  });
  expect(await endpoints.resolve("hooks", "both", 443)).toEqual({ host: "192.0.2.8", port: 8443 });
});

it("says what a Service lacks", async () => {
  await service("empty", { ports: https });
  await service("outside", { type: "ExternalName", externalName: "example.com" });
  await expect(endpoints.resolve("hooks", "absent", 443)).rejects.toThrow(
    'service "absent" not found',
  );
  await expect(endpoints.resolve("hooks", "empty", 444)).rejects.toThrow(
    'no service port 444 found for service "empty"',
  );
  await expect(endpoints.resolve("hooks", "empty", 443)).rejects.toThrow(
    'no endpoints available for service "empty"',
  );
  await expect(endpoints.resolve("hooks", "outside", 443)).rejects.toThrow(
    'unsupported service type "ExternalName"',
  );
});

it.each(["127.0.0.1", "169.254.169.254", "::1", "0.0.0.0", "::ffff:127.0.0.1"])(
  "does not connect to %s, whoever wrote it into a slice",
  async (address) => {
    const name = `inward-${address.replaceAll(/[.:]/g, "-")}x`;
    await service(name, { ports: https });
    await slice(name, name, { endpoints: [{ addresses: [address] }] });
    await expect(endpoints.resolve("hooks", name, 443)).rejects.toThrow("address not allowed");
  },
);

it("a call of a Service goes to an endpoint, under the Service's name", async () => {
  const own = Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .find(({ internal, family }) => !internal && family === "IPv4");
  const host = own!.address;
  const dnsNames = ["real.hooks.svc"];
  const server = await WebhookServer.start((_, response) => void response.end("{}"), {
    host,
    dnsNames,
  });
  const connections = new Connections(endpoints);
  const client = new WebhookClient(connections, clock);
  const call = (name: string, port?: number) =>
    client.post(
      {
        service: { namespace: "hooks", name, path: "/review", ...(port ? { port } : {}) },
        caBundle: server.caBundle,
      },
      Buffer.from("{}"),
      { timeout_ms: 10_000 },
    );
  for (const name of ["real", "posing"]) {
    await service(name, { ports: https });
    const ports = [{ name: "https", port: server.port }];
    await slice(name, name, { ports, endpoints: [{ addresses: [host] }] });
  }
  expect(await call("real")).toEqual({});
  const [called] = server.calls;
  expect(called).toMatchObject({ servername: "real.hooks.svc", path: "/review?timeout=10s" });
  expect(called!.headers.host).toBe("real.hooks.svc:443");
  await expect(call("posing")).rejects.toThrow(
    'Post "https://posing.hooks.svc:443/review?timeout=10s": tls: failed to verify certificate: ' +
      `x509: certificate is valid for real.hooks.svc, ${host}, not posing.hooks.svc`,
  );
  connections.close();
  await server.close();
});
