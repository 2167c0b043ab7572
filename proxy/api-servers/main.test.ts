import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { createServer, get } from "node:https";
import type { AddressInfo } from "node:net";
import type { Logger } from "@raft2kube/observe/log.ts";
import { createCa, issueCertificate } from "@raft2kube/pki/certificate.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { freePort } from "../../testing/free-port.ts";
import { startApiBalancer } from "./main.ts";

const ADDRESS = "127.0.0.1";

test("a server that has stopped to listen finishes what is under way", async () => {
  const now_ms = Date.now();
  const ca = await createCa({ commonName: "ca", days: 1, now_ms });
  const subject = { commonName: "server", ipAddresses: [ADDRESS], usages: ["server"] as const };
  const own = await issueCertificate(ca, { ...subject, days: 1 }, now_ms);
  const states = { a: 200, b: 503 };
  const held: ServerResponse[] = [];
  const [a, b] = await Promise.all(
    (["a", "b"] as const).map(async (name) => {
      const server = createServer({ cert: own.cert, key: own.key }, ({ url }, response) => {
        if (url === "/slow") held.push(response);
        else response.writeHead(states[name]).end();
      });
      await once(server.listen(0, ADDRESS), "listening");
      return { server, target: { address: ADDRESS, port: (server.address() as AddressInfo).port } };
    }),
  );
  const shown: string[] = [];
  const log = {
    info: (_text: string, { servers }: { servers: string }) => shown.push(servers),
    debug: () => undefined,
  } as unknown as Logger;
  const port = await freePort();
  const balancer = await startApiBalancer({
    listen: [{ host: ADDRESS, port }],
    servers: [a!.target, b!.target],
    ca: ca.cert,
    log,
    clock: systemClock(),
  });
  const state = () =>
    shown
      .at(-1)!
      .split(", ")
      .map((one) => one.split(" ")[1])
      .join();
  await expect.poll(state).toBe("ready,unready");
  const answer = new Promise<string>((resolve) => {
    get({ host: ADDRESS, port, path: "/slow", ca: ca.cert }, (response) => {
      response.setEncoding("utf8").once("data", resolve);
    }).on("error", ({ message }) => resolve(message));
  });
  await expect.poll(() => held.length).toBe(1);
  states.b = 200;
  a!.server.close();
  await expect.poll(state, { timeout: 10_000 }).toBe("refusing,ready");
  held[0]!.end("done");
  expect(await answer).toBe("done");
  await balancer.close();
  b!.server.close();
});
