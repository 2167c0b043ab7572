import * as http from "node:http";
import type { AddressInfo } from "node:net";
import type { Node, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { ENDPOINT_SLICES, NODES, SERVICES } from "@raft2kube/client-kube/rest/resources.ts";
import type { LogFields, Logger } from "@raft2kube/observe/log.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import type { Rules } from "./apply/rules.ts";
import { HealthChecks } from "./health-checks.ts";
import { listed, ProxyLoop } from "./loop.ts";
import type { ServicePort } from "./plan/model.ts";

const clock = systemClock();

test("the log has a bounded number of a Service's problems", () => {
  const problems = Array.from({ length: 1_000 }, (_, i) => `problem ${i}`);
  expect(listed(problems)).toMatch(/^problem 0; .*; problem 7; 992 more$/);
  expect(listed(["one", "two"])).toBe("one; two");
});

const metadata = { namespace: "shop", name: "web", resourceVersion: "1" };
const OBJECTS: Readonly<Record<string, object>> = {
  services: { metadata, spec: { clusterIP: "10.96.0.7", ports: [{ name: "http", port: 80 }] } },
  endpointslices: {
    metadata: { ...metadata, labels: { "kubernetes.io/service-name": "web" } },
    addressType: "IPv4",
    ports: [{ name: "http", port: 8080 }],
    endpoints: ["127.0.0.1", "169.254.169.254", "224.0.0.1", "10.1.0.1"]
      .map((address) => ({ addresses: [address] })),
  },
  nodes: { metadata: { name: "here", resourceVersion: "1" } },
};

/** An API server with those objects, which never change. */
async function serve(): Promise<{ client: KubeClient; close(): Promise<void> }> {
  const server = http.createServer(({ url = "" }, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    if (url.includes("watch=")) return response.flushHeaders();
    const [plural = ""] = url.split("?")[0]?.split("/").slice(-1) ?? [];
    const list = { metadata: { resourceVersion: "1" }, items: [OBJECTS[plural]] };
    response.end(JSON.stringify(list));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const client = new KubeClient({ server: `http://127.0.0.1:${port}`, clock });
  return {
    client,
    close() {
      client.close();
      server.closeAllConnections();
      return new Promise((resolve) => void server.close(() => resolve()));
    },
  };
}

test("endpoints that must not be served are left out, and logged with their Service", async () => {
  const { client, close } = await serve();
  const warnings: [string, LogFields?][] = [];
  const ignore = () => {};
  const log: Logger = {
    debug: ignore, info: ignore, error: ignore, warn: (...line) => void warnings.push(line),
  };
  let served: readonly ServicePort[] = [];
  const rules: Rules = {
    rebuild: (ports) => Promise.resolve(void (served = ports)),
    change: () => Promise.resolve(),
    intact: () => Promise.resolve(true),
    conflicts: () => [],
    close: () => Promise.resolve(),
  };
  const loop = new ProxyLoop({
    services: new Informer<Service>({ resource: client.resource(SERVICES), clock }),
    slices: new Informer<EndpointSlice>({ resource: client.resource(ENDPOINT_SLICES), clock }),
    nodes: new Informer<Node>({ resource: client.resource(NODES), clock }),
    rules, clock, log,
    nodeName: "here",
    healthChecks: new HealthChecks(log),
    removeOthers: () => Promise.resolve(),
    apiServers: () => Promise.resolve([]),
  });
  void loop.start();
  await loop.ready;
  expect(served.map(({ allEndpoints }) => allEndpoints)).toEqual([
    [{ address: "10.1.0.1", port: 8080 }],
  ]);
  const [[text, fields] = [], ...more] = warnings;
  expect(text).toBe("a Service is not served completely");
  expect(fields).toMatchObject({ service: "shop/web" });
  expect(fields?.["problems"]).toMatch(
    /^endpoint 127\.0\.0\.1 .*; endpoint 169\.254\.169\.254 .*; endpoint 224\.0\.0\.1 [^;]*$/,
  );
  expect(more).toEqual([]);
  await loop.close();
  await close();
});
