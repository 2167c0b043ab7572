import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { Agent, get } from "node:https";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, expect, it } from "vitest";
import { startApiserverOnStore } from "../../testing/apiserver/own-apiserver.ts";
import type { TestApiserver } from "../../testing/apiserver/test-apiserver.ts";
import { waitFor } from "../../testing/wait.ts";
import type { ApiserverOptions } from "../options.ts";

const clock = systemClock();
const ends: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const NAMESPACES = "/api/v1/namespaces";
const named = (name: string) => ({ metadata: { name } });

async function serve(shutdown: NonNullable<ApiserverOptions["shutdown"]>) {
  const api = await startApiserverOnStore({ shutdown, advertiseAddress: "10.77.0.1" });
  ends.push(() => api.close());
  const user = await api.credentials("admin", ["system:masters"]);
  const client = new KubeClient({ server: api.server, ca: api.ca.cert, ...user, clock });
  ends.push(() => client.close());
  return { api, client };
}

/** A request on a kept HTTP/1 connection. */
async function over(agent: Agent, api: TestApiserver, path: string): Promise<IncomingMessage> {
  const [answer] = await once(get(`${api.server}${path}`, { agent, ca: api.ca.cert }), "response");
  return answer as IncomingMessage;
}

function keptConnection(): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  ends.push(() => agent.destroy());
  return agent;
}

it("serves for a while after it is not ready any more, and is no endpoint by then", async () => {
  const { api, client } = await serve({ delay_ms: 1_500 });
  const closing = api.apiserver.close();
  await waitFor("readyz to fail", async () => {
    const { statusCode } = await over(keptConnection(), api, "/readyz");
    return statusCode === 500;
  });
  const written = await client.request<{ metadata: { name: string } }>({
    method: "POST",
    path: NAMESPACES,
    body: named("late"),
  });
  expect(written.metadata.name).toBe("late");
  expect((await over(keptConnection(), api, "/livez")).statusCode).toBe(200);
  await closing;
  const again = over(keptConnection(), api, "/livez");
  await expect(again).rejects.toMatchObject({ code: "ECONNREFUSED" });
});
