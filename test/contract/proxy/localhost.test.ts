import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { EVENTS, NODES, SERVICES } from "@raft2kube/client-kube/rest/resources.ts";
import { configureLog } from "@raft2kube/observe/log.ts";
import {
  HOST_CONNECTIONS_MAX,
  HOST_PORTS_MAX,
  HOST_UDP_CLIENTS_MAX,
} from "@raft2kube/proxy/limits.ts";
import { startHostPorts } from "@raft2kube/proxy/localhost/main.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  ADDRESSES,
  createNodeNetwork,
  type NodeNetwork,
} from "../../../testing/network/node-network.ts";
import { waitFor } from "../../../testing/wait.ts";
import { NODE_NAME } from "./implementation.ts";
import { startApi } from "./upstream.ts";

// The namespace `node` stands for the host, and the machine beyond it for a node.

const clock = systemClock();
/** Tries refused ports often: a retry each 30 s is only waited for. */
const hasty: Clock = { ...clock, after: (ms, fn) => clock.after(Math.min(ms, HASTE_MS), fn) };
const HASTE_MS = 200;
const WAIT_MS = 30_000;
/** Fewer than a listener's backlog, and than the datagrams that a socket's buffer has space for. */
const CLIENTS_AT_ONCE = 64;
const FIRST_CLIENT_PORT = 20_000;

describe.runIf(process.getuid?.() === 0)("node ports on the host's localhost", () => {
  let net: NodeNetwork;
  let api: Awaited<ReturnType<typeof startApi>>;
  let admin: KubeClient;
  let ports: ReturnType<typeof startHostPorts>;
  let squatter: Server;
  let udpSquatter: Socket;
  let logged = "";

  beforeAll(async () => {
    net = await createNodeNetwork();
    api = await startApi();
    const { server, ca } = api.server;
    const clientAs = async (user: string, organizations: string[] = []) => {
      const pair = await api.server.credentials(user, organizations);
      return new KubeClient({ server, ca: ca.cert, ...pair, tlsServerName: "localhost", clock });
    };
    admin = await clientAs("admin", ["system:masters"]);
    const node = await admin.resource(NODES).get({ name: NODE_NAME });
    await admin
      .resource(NODES)
      .updateStatus({
        ...node,
        status: {
          addresses: [{ type: "InternalIP", address: ADDRESSES.outside }],
          conditions: [{ type: "Ready", status: "True" }],
        },
      } as Node);
    for (const port of [30_101, 30_102, 30_104]) await net.outside.listen(port, `node ${port}`);
    for (const port of [30_101, 30_103, 30_104]) {
      await net.outside.listen(port, `udp ${port}`, "udp");
    }
    squatter = createServer().listen(30_102, "127.0.0.1");
    await once(squatter, "listening");
    udpSquatter = createSocket("udp4").bind(30_103, "127.0.0.1");
    await once(udpSquatter, "listening");
    configureLog({ stream: { write: (line) => void (logged += line) } });
    const client = await clientAs("system:kube-proxy");
    ports = startHostPorts({ client, clock: hasty, serviceCidr: "10.96.0.0/16" });
  });

  afterAll(async () => {
    await ports.close();
    configureLog({});
    admin.close();
    await api.served.close();
    net.close();
  });

  type Protocol = "TCP" | "UDP";
  const services = () => admin.resource(SERVICES);
  const create = (name: string, nodePort: number, protocols: readonly Protocol[]) =>
    services().create({
      metadata: { namespace: "default", name },
      spec: {
        type: "NodePort",
        ports: protocols.map((protocol) => {
          return { name: protocol.toLowerCase(), port: 80, nodePort, protocol };
        }),
      },
    });
  const remove = (name: string) => services().delete({ namespace: "default", name });
  const answer = (port: number, expected: RegExp, protocol: "tcp" | "udp" = "tcp") =>
    waitFor(
      `port ${port}`,
      async () => {
        const options = { protocol, timeout_ms: 1_000 };
        return expected.test(await net.node.ask("127.0.0.1", port, options));
      },
      { timeout_ms: WAIT_MS },
    );
  const eventOf = (service: string) =>
    waitFor(
      "the event",
      async () => {
        const { items } = await admin.resource(EVENTS).list({ namespace: "default" });
        return items.find(
          ({ reason, involvedObject: { kind, name } }) =>
            reason === "HostPortInUse" && kind === "Service" && name === service,
        );
      },
      { timeout_ms: WAIT_MS },
    );

  test("are passed on to a node that is ready, until the Service goes", async () => {
    await create("web", 30_101, ["TCP", "UDP"]);
    await answer(30_101, /^node 30101 /);
    await answer(30_101, /^udp 30101 /, "udp");
    await remove("web");
    await answer(30_101, /^refused$/);
    await answer(30_101, /^refused$/, "udp");
  });

  test.each([
    ["TCP", 30_102],
    ["UDP", 30_103],
  ] as const)(
    "of %s that another program has are an event of the Service",
    async (protocol, port) => {
      const name = `taken-${port}`;
      await create(name, port, [protocol]);
      expect((await eventOf(name)).message).toContain(`127.0.0.1:${port} (${protocol})`);
    },
  );

  test("are served once the other program has ended", async () => {
    squatter.close();
    udpSquatter.close();
    await answer(30_102, /^node 30102 /);
    await answer(30_103, /^udp 30103 /, "udp");
    for (const port of [30_102, 30_103]) await remove(`taken-${port}`);
  });

  test(`beyond ${HOST_PORTS_MAX} are an event, and served when others go`, async () => {
    const first = 31_000;
    await services().create({
      metadata: { namespace: "default", name: "many" },
      spec: {
        type: "NodePort",
        ports: Array.from({ length: HOST_PORTS_MAX }, (_, index) => {
          return { name: `p-${index}`, port: 1 + index, nodePort: first + index };
        }),
      },
    });
    // No node listens there: a connection that was accepted ends.
    await answer(first + HOST_PORTS_MAX - 1, /^reset$/);
    await create("one-more", 30_101, ["TCP"]);
    expect((await eventOf("one-more")).message).toBe(
      `127.0.0.1:30101 (TCP) of the host does not serve the node port: ` +
        `${HOST_PORTS_MAX} ports are served already`,
    );
    expect(await net.node.ask("127.0.0.1", 30_101)).toBe("refused");
    await remove("many");
    await answer(30_101, /^node 30101 /);
    await remove("one-more");
  });

  /** Lets so many clients ask, some at a time; returns their answers. */
  async function inTurns(
    clients: number,
    ask: (client: number) => Promise<string>,
  ): Promise<string[]> {
    const said: string[] = [];
    while (said.length < clients) {
      const next = Array.from({ length: CLIENTS_AT_ONCE }, (_, at) => ask(said.length + at));
      said.push(...(await Promise.all(next)));
    }
    return said;
  }
  const refusals = () => logged.split("\n").filter((line) => line.includes("too many are under"));

  test(`have ${HOST_UDP_CLIENTS_MAX} UDP clients, a further one is logged`, async () => {
    await create("busy", 30_104, ["UDP", "TCP"]);
    await answer(30_104, /^node 30104 /);
    const ask = (client: number) =>
      net.node.ask("127.0.0.1", 30_104, {
        protocol: "udp",
        localPort: FIRST_CLIENT_PORT + client,
        timeout_ms: 2_000,
      });
    const said = await inTurns(HOST_UDP_CLIENTS_MAX, ask);
    expect(said.filter((each) => !/^udp 30104 /.test(each))).toEqual([]);
    expect(refusals()).toEqual([]);
    expect(await ask(HOST_UDP_CLIENTS_MAX)).toBe("silent");
    expect(refusals()).toEqual([expect.stringContaining(`"ofAll":${HOST_UDP_CLIENTS_MAX}`)]);
    expect(await ask(0)).toMatch(/^udp 30104 /);
  });

  test(`have ${HOST_CONNECTIONS_MAX} connections, a further one is reset and logged`, async () => {
    const before = refusals().length;
    const said = await inTurns(HOST_CONNECTIONS_MAX, (client) => {
      return net.node.open(`held ${client}`, "127.0.0.1", 30_104);
    });
    expect(said.filter((each) => !/^node 30104 /.test(each))).toEqual([]);
    expect(await net.node.ask("127.0.0.1", 30_104)).toBe("reset");
    expect(refusals().slice(before)).toEqual([
      expect.stringContaining(`"ofAll":${HOST_CONNECTIONS_MAX}`),
    ]);
    expect(await net.node.say("held 0")).toMatch(/^node 30104 /);
    await remove("busy");
    await answer(30_104, /^refused$/);
    expect(await net.node.say("held 0")).toMatch(/^(closed|reset)$/);
    await create("web", 30_101, ["TCP"]);
    await answer(30_101, /^node 30101 /);
  });
});
