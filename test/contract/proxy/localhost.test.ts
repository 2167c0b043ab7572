import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import type { Event, Node, Service } from "@raft2kube/api/gen/core/v1.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { EVENTS, NODES, SERVICES } from "@raft2kube/client-kube/rest/resources.ts";
import { startHostPorts } from "@raft2kube/proxy/localhost/main.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { NODE_NAME } from "./implementation.ts";
import { startApi } from "./upstream.ts";
import { ADDRESSES, createWorld, type World } from "../../../testing/network/node-world.ts";

// The namespace `node` stands for the host, and the machine beyond it for a node.

const clock = systemClock();
const WAIT_MS = 30_000;

describe.runIf(process.getuid?.() === 0)("node ports on the host's localhost", () => {
  let world: World;
  let api: Awaited<ReturnType<typeof startApi>>;
  let admin: KubeClient;
  let ports: ReturnType<typeof startHostPorts>;
  let squatter: Server;
  let udpSquatter: Socket;

  beforeAll(async () => {
    world = await createWorld();
    api = await startApi();
    const { server, ca } = api.server;
    const clientAs = async (user: string, organizations: string[] = []) => {
      const pair = await api.server.credentials(user, organizations);
      return new KubeClient({ server, ca: ca.cert, ...pair, tlsServerName: "localhost", clock });
    };
    admin = await clientAs("admin", ["system:masters"]);
    const node = await admin.resource<Node>(NODES).get({ name: NODE_NAME });
    await admin.resource<Node>(NODES).updateStatus({
      ...node,
      status: {
        addresses: [{ type: "InternalIP", address: ADDRESSES.outside }],
        conditions: [{ type: "Ready", status: "True" }],
      },
    } as Node);
    for (const port of [30_101, 30_102]) await world.outside.listen(port, `node ${port}`);
    for (const port of [30_101, 30_103]) await world.outside.listen(port, `udp ${port}`, "udp");
    squatter = createServer().listen(30_102, "127.0.0.1");
    await once(squatter, "listening");
    udpSquatter = createSocket("udp4").bind(30_103, "127.0.0.1");
    await once(udpSquatter, "listening");
    ports = startHostPorts({ client: await clientAs("system:kube-proxy"), clock });
  }, 60_000);

  afterAll(async () => {
    await ports.close();
    squatter.close();
    udpSquatter.close();
    admin.close();
    await api.served.close();
    world.close();
  });

  type Protocol = "TCP" | "UDP";
  const create = (name: string, nodePort: number, protocols: readonly Protocol[]) =>
    admin.resource<Service>(SERVICES).create({
      metadata: { namespace: "default", name },
      spec: {
        type: "NodePort",
        ports: protocols.map((protocol) => {
          return { name: protocol.toLowerCase(), port: 80, nodePort, protocol };
        }),
      },
    });
  const answer = (port: number, expected: RegExp, protocol: "tcp" | "udp" = "tcp") =>
    waitFor(`port ${port}`, async () => {
      const options = { protocol, timeout_ms: 1_000 };
      return expected.test(await world.node.ask("127.0.0.1", port, options));
    }, { clock, timeout_ms: WAIT_MS });
  const eventOf = (service: string) => waitFor("the event", async () => {
    const { items } = await admin.resource<Event>(EVENTS).list({ namespace: "default" });
    return items.find(({ reason, involvedObject: { kind, name } }) =>
      reason === "HostPortInUse" && kind === "Service" && name === service);
  }, { clock, timeout_ms: WAIT_MS });

  test("are passed on to a node that is ready, until the Service goes", async () => {
    await create("web", 30_101, ["TCP", "UDP"]);
    await answer(30_101, /^node 30101 /);
    await answer(30_101, /^udp 30101 /, "udp");
    await admin.resource<Service>(SERVICES).delete({ namespace: "default", name: "web" });
    await answer(30_101, /^refused$/);
    await answer(30_101, /^refused$/, "udp");
  });

  test.each([["TCP", 30_102], ["UDP", 30_103]] as const)(
    "of %s that another program has are an event of the Service", async (protocol, port) => {
      const name = `taken-${port}`;
      await create(name, port, [protocol]);
      expect((await eventOf(name)).message).toContain(`127.0.0.1:${port} (${protocol})`);
    },
  );
});
