import { once } from "node:events";
import { createServer, get, type Server } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { promisify } from "node:util";
import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { expect, onTestFinished, test, vi } from "vitest";
import { waitFor } from "../testing/wait.ts";
import { HealthChecks, isEligible, serveHealthz } from "./health-checks.ts";
import {
  HEALTH_CONNECTIONS_MAX,
  HEALTH_CONNECTIONS_OF_ADDRESS_MAX,
  HEALTH_CONNECTIONS_OF_ALL_MAX,
  HEALTH_LISTEN_RETRY_MS,
} from "./limits.ts";

const clock = systemClock();
const SERVICE = "shop/web";
const ignore = () => {};
const WELL = { isApplied: true, failures: 0 };
const QUIET = { log: { warn: ignore }, clock };

test.each(["healthCheckNodePort", "/healthz"])("%s is served once its port is free", async (of) => {
  const squatter = createServer((_request, response) => response.end("another")).listen(0);
  await once(squatter, "listening");
  const { port } = squatter.address() as AddressInfo;
  const warnings: unknown[] = [];
  const warn = (...line: unknown[]) => void warnings.push(line);
  const retries = new ManualClock();
  const waits = vi.spyOn(retries, "after");
  const parts = { log: { warn }, clock: retries };
  const checks = new HealthChecks(() => true, parts);
  if (of === "/healthz") {
    const state = () => WELL;
    const healthz = serveHealthz(state, () => true, parts, port);
    onTestFinished(() => void healthz.close());
  } else {
    checks.update(SERVICE, { service: SERVICE, port, localEndpoints: 1 });
    onTestFinished(() => checks.close());
  }
  await waitFor("the warning", () => warnings.length === 1);
  retries.advance(HEALTH_LISTEN_RETRY_MS);
  await waitFor("the next wait", () => waits.mock.calls.length === 2);
  const closed = once(squatter, "close");
  squatter.close();
  await closed;
  const answer = () => {
    retries.advance(HEALTH_LISTEN_RETRY_MS);
    return fetch(`http://127.0.0.1:${port}/healthz`).then(
      ({ status }) => status,
      () => undefined,
    );
  };
  expect(await waitFor("the health check", answer)).toBe(200);
  expect(warnings).toEqual([["a health check is not served", expect.objectContaining({ port })]]);
});

test("a port that another program had is not taken for a Service that has gone", async () => {
  const squatter = createServer().listen(0);
  await once(squatter, "listening");
  const { port } = squatter.address() as AddressInfo;
  const retries = new ManualClock();
  const waits = vi.spyOn(retries, "after");
  const checks = new HealthChecks(() => true, { log: { warn: ignore }, clock: retries });
  checks.update(SERVICE, { service: SERVICE, port, localEndpoints: 1 });
  const retry = await waitFor("the retry", () => waits.mock.results[0]?.value);
  const cancelled = vi.spyOn(retry, "cancel");
  checks.update(SERVICE, undefined);
  await waitFor("its end", () => cancelled.mock.calls.length === 1);
  squatter.close();
});

test.each([
  ["of one address", ["127.0.0.2"]],
  ["of many addresses", [2, 3, 4, 5, 6, 7].map((last) => `127.0.0.${last}`)],
])("connections %s that are held keep no check out", async (_what, addresses) => {
  const server = serveHealthz(
    () => WELL,
    () => true,
    QUIET,
    0,
  );
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  for (const localAddress of addresses) {
    for (let i = 0; i < HEALTH_CONNECTIONS_MAX + 8; i++) {
      const socket = connect({ host: "127.0.0.1", port, localAddress });
      socket.on("error", ignore);
      await once(socket, "connect");
      socket.write("GET /healthz HTTP/1.1\r\n");
    }
  }
  for (const localAddress of ["127.0.0.1", ...addresses]) {
    const path = { host: "127.0.0.1", port, path: "/healthz", agent: false, localAddress };
    const [answer] = (await once(get(path), "response")) as [{ statusCode: number }];
    expect(answer.statusCode).toBe(200);
  }
  const held = await new Promise<number>((resolve) => {
    server.getConnections((_error, count) => resolve(count));
  });
  const most = Math.min(addresses.length * HEALTH_CONNECTIONS_OF_ADDRESS_MAX, 64);
  expect(held).toBeLessThanOrEqual(most + 1);
});

test("connections to the ports of many Services leave descriptors to the node", async () => {
  const ports = (2 * HEALTH_CONNECTIONS_OF_ALL_MAX) / HEALTH_CONNECTIONS_MAX;
  const isWell = () => true;
  const servers = Array.from({ length: ports }, () => serveHealthz(() => WELL, isWell, QUIET, 0));
  onTestFinished(() => {
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
  });
  await Promise.all(servers.map((server) => once(server, "listening")));
  const portOf = (server: Server) => (server.address() as AddressInfo).port;
  for (const server of servers) {
    const connected = Array.from({ length: HEALTH_CONNECTIONS_MAX }, async (_, at) => {
      const localAddress = `127.0.1.${1 + Math.floor(at / HEALTH_CONNECTIONS_OF_ADDRESS_MAX)}`;
      const socket = connect({ host: "127.0.0.1", port: portOf(server), localAddress });
      socket.on("error", ignore);
      await once(socket, "connect");
    });
    await Promise.all(connected);
  }
  const answer = await fetch(`http://127.0.0.1:${portOf(servers[0]!)}/healthz`);
  expect(answer.status).toBe(200);
  const held = servers.map((server) => promisify(server.getConnections.bind(server))());
  const counts = await Promise.all(held);
  const sum = counts.reduce((all, count) => all + count, 0);
  expect(sum).toBeLessThanOrEqual(HEALTH_CONNECTIONS_OF_ALL_MAX);
});

test("a balancer is sent to no node whose rules are not applied, or that leaves", async () => {
  let state = WELL;
  let isHealthy = true;
  let node: Node = { metadata: { name: "n" }, spec: {} };
  const healthz = serveHealthz(
    () => state,
    () => isEligible(node),
    QUIET,
    0,
  );
  await once(healthz, "listening");
  const { port } = healthz.address() as AddressInfo;
  const free = createServer().listen(0);
  await once(free, "listening");
  const checkPort = (free.address() as AddressInfo).port;
  free.close();
  const checks = new HealthChecks(() => isHealthy, QUIET);
  checks.update(SERVICE, { service: SERVICE, port: checkPort, localEndpoints: 1 });
  onTestFinished(() => {
    checks.close();
    healthz.close();
    healthz.closeAllConnections();
  });
  const status = (at: number, path: string) =>
    fetch(`http://127.0.0.1:${at}${path}`).then(
      (response) => response.status,
      () => undefined,
    );
  await waitFor("the check", () => status(checkPort, "/"));
  const all = () =>
    Promise.all([status(port, "/healthz"), status(port, "/livez"), status(checkPort, "/")]);
  expect(await all()).toEqual([200, 200, 200]);
  const shown = await (await fetch(`http://127.0.0.1:${port}/healthz`)).json();
  expect(shown).toMatchObject({ lastUpdated: expect.any(String), nodeEligible: true });
  node = {
    metadata: {},
    spec: { taints: [{ key: "ToBeDeletedByClusterAutoscaler", effect: "NoSchedule" }] },
  };
  expect(await all()).toEqual([503, 200, 200]);
  node = { metadata: { deletionTimestamp: "2026-01-01T00:00:00Z" }, spec: {} };
  expect(await all()).toEqual([503, 200, 200]);
  node = { metadata: {}, spec: {} };
  state = { isApplied: true, failures: 1 };
  expect(await all()).toEqual([503, 503, 200]);
  isHealthy = false;
  expect(await all()).toEqual([503, 503, 503]);
});
