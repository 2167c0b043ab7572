import type { Endpoints, Service } from "@raft2kube/api/gen/core/v1.ts";
import { expect, test } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import { loopContext } from "../testing/loop-context.ts";
import { startEndpoints } from "./endpoints.ts";

test("own Endpoints whose Service went while no controller ran are deleted", async () => {
  const own = { "endpoints.kubernetes.io/managed-by": "endpoint-controller" };
  const endpoints = (name: string, labels = {}): Endpoints => ({
    metadata: { namespace: "shop", name, uid: name, labels },
  });
  const service: Service = {
    metadata: { namespace: "shop", name: "kept", labels: { tier: "front" } },
    spec: { selector: { app: "web" } },
  };
  const requests: string[] = [];
  const { context } = loopContext(
    {
      services: [service],
      endpoints: [endpoints("gone", own), endpoints("kept", own), endpoints("by-hand")],
    },
    ({ method, path, body }) => {
      requests.push(`${method} ${path.split("/").at(-1)}`);
      return body ?? {};
    },
  );
  const running = startEndpoints(context);
  const isDone = () => requests.length >= 2;
  await waitFor("both to be written", isDone, { interval_ms: 1 });
  await running.close();
  expect(requests.sort()).toEqual(["DELETE gone", "PUT kept"]);
});
