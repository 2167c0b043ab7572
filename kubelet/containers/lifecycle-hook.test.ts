import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, onTestFinished, test } from "vitest";
import type { Runtime } from "../cri/runtime.ts";
import { runHook } from "./lifecycle-hook.ts";

test("a hook by HTTP is done with any answer, and fails without one", async () => {
  const server = createServer((_, response) => response.writeHead(404).end());
  onTestFinished(() => void server.close());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const target = {
    ...{ container: { name: "c" }, containerId: "c", podIP: "127.0.0.1" },
    ...{ runtime: undefined as unknown as Runtime, clock: systemClock() },
  };
  await expect(runHook({ httpGet: { port } }, 5_000, target)).resolves.toBeUndefined();
  // A pod that ended its sandbox has no address, and an empty one would be this machine's.
  const nowhere = runHook({ httpGet: { port } }, 5_000, { ...target, podIP: "" });
  await expect(nowhere).rejects.toThrow("the pod has no address");
  server.close();
  server.closeAllConnections();
  await expect(runHook({ httpGet: { port } }, 5_000, target)).rejects.toThrow("ECONNREFUSED");
});
