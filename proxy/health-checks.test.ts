import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Logger } from "@raft2kube/observe/log.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { expect, onTestFinished, test } from "vitest";
import { HealthChecks } from "./health-checks.ts";

const clock = systemClock();
const SERVICE = "shop/web";

test("a port that another program has is logged, and served by the next update", async () => {
  const squatter = createServer((_request, response) => response.end("another")).listen(0);
  await once(squatter, "listening");
  const { port } = squatter.address() as AddressInfo;
  const warnings: unknown[] = [];
  const ignore = () => {};
  const log: Logger = {
    debug: ignore,
    info: ignore,
    error: ignore,
    warn: (...line) => void warnings.push(line),
  };
  const checks = new HealthChecks(log);
  onTestFinished(() => checks.close());
  const check = { service: SERVICE, port, localEndpoints: 1 };
  checks.update(SERVICE, check);
  await waitFor("the warning", () => warnings.length === 1, { clock });
  expect(warnings).toEqual([
    ["a health check is not served", expect.objectContaining({ service: SERVICE, port })],
  ]);
  const closed = once(squatter, "close");
  squatter.close();
  await closed;
  checks.update(SERVICE, { ...check, localEndpoints: 2 });
  const answer = () =>
    fetch(`http://127.0.0.1:${port}/healthz`).then(
      async (response) => [response.status, await response.json()],
      () => undefined,
    );
  expect(await waitFor("the health check", answer, { clock })).toEqual([
    200,
    { service: { namespace: "shop", name: "web" }, localEndpoints: 2, serviceProxyHealthy: true },
  ]);
});
