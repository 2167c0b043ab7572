import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { iptables } from "@raft2kube/linux/netfilter/iptables.ts";
import { applyRuleset, listRuleset } from "@raft2kube/linux/netfilter/nft.ts";
import { cleanup, startProxy } from "@raft2kube/proxy/main.ts";
import { MODE_NAMES, type ModeName } from "@raft2kube/proxy/mode-names.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { inTurn } from "../../../testing/drawn.ts";
import {
  ADDRESSES,
  CLUSTER_CIDR,
  createNodeNetwork,
  type NodeNetwork,
  TARGETS,
} from "../../../testing/network/node-network.ts";
import { waitFor } from "../../../testing/wait.ts";
import { NODE_NAME, type Served } from "./implementation.ts";
import { freshPort, serve, type Wish } from "./steps.ts";
import { startApi } from "./upstream.ts";

// The whole proxy on an apiserver: what its modes do over time, and to one another.

const clock = systemClock();
/** Compares the rules often: a comparison each 5 s is only waited for. */
const hasty: Clock = { ...clock, after: (ms, fn) => clock.after(Math.min(ms, HASTE_MS), fn) };
const HASTE_MS = 200;
const MODES = MODE_NAMES.filter((mode) => mode !== "ipvs");
const IP = "10.96.9.1";
const HEALTH = 31_009;
const DNS = "10.96.9.2";
/** One for each mode: the kernel remembers the clients of the former. */
const NODE_PORTS: Readonly<Record<ModeName, number>> = {
  nftables: 30_096,
  iptables: 30_097,
  userspace: 30_098,
  ipvs: 30_099,
};
const WAIT_MS = 30_000;
/** Changes of the mode that a run makes. */
const CHANGES = 2;
/** Changes, and restarts in a mode, over which it looks at UDP clients. */
const UDP_CHANGES = 3;
/** Clients that connect again and again while the mode changes. */
const AT_ONCE = 8;
const patience = { timeout_ms: WAIT_MS };

describe.runIf(process.getuid?.() === 0)("the proxy's modes", () => {
  let net: NodeNetwork;
  let api: Awaited<ReturnType<typeof startApi>>;
  let served: Served;
  let client: KubeClient;
  let proxy: Awaited<ReturnType<typeof startProxy>> | undefined;

  beforeAll(async () => {
    net = await createNodeNetwork();
    api = await startApi();
    served = api.served;
    const { server, ca } = api.server;
    const { cert, key } = await api.server.credentials("system:kube-proxy");
    client = new KubeClient({ server, ca: ca.cert, cert, key, tlsServerName: "localhost", clock });
    await served.set(SERVICE, slice([ADDRESSES.two]));
  });

  afterAll(async () => {
    await proxy?.close();
    await cleanup();
    client.close();
    await served.close();
    net.close();
  });

  const use = async (mode: ModeName) => {
    await proxy?.close();
    proxy = await startProxy({
      client,
      nodeName: NODE_NAME,
      clusterCidr: CLUSTER_CIDR,
      clock: hasty,
      mode,
    });
    await proxy.ready;
  };
  const answered = (what: string) =>
    waitFor(
      what,
      async () => /^two /.test(await net.outside.ask(IP, 80, { timeout_ms: 500 })),
      patience,
    );

  test.each(["nftables", "iptables"] as const)(
    "%s: a connection continues while the proxy restarts",
    async (mode) => {
      await use(mode);
      expect(await net.outside.open("kept", IP, 80)).toMatch(/^two /);
      await proxy?.close();
      expect(await net.outside.say("kept")).toMatch(/^two /);
      await use(mode);
      expect(await net.outside.say("kept")).toMatch(/^two /);
    },
  );

  const changes = inTurn(
    "changes of the mode",
    MODES.flatMap((from) => MODES.filter((to) => to !== from).map((to) => [from, to] as const)),
    CHANGES,
  );
  test.each(changes)("a change from %s to %s leaves nothing of the former", async (from, to) => {
    await use(from);
    expect(await net.outside.open("moved", IP, 80)).toMatch(/^two /);
    await use(to);
    await answered(`the Service in ${to} mode`);
    expect(await traces()).toEqual(TRACES[to]);
    // The kernel's translations stay; the process that passed the others on has ended.
    const expected = from === "userspace" ? /^closed$|^reset$/ : /^two /;
    expect(await net.outside.say("moved")).toMatch(expected);
  });

  // From userspace the node refuses until the new process has rules: the former's ports are closed.
  test.each(changes.filter(([from]) => from !== "userspace"))(
    "a change from %s to %s fails no new connection",
    async (from, to) => {
      await use(from);
      const answers: string[] = [];
      let isOver = false;
      const connecting = Array.from({ length: AT_ONCE }, async () => {
        while (!isOver) answers.push(await net.outside.ask(IP, 80));
      });
      const more = async () => {
        const then = answers.length;
        await waitFor("new connections", () => answers.length > then + AT_ONCE, patience);
      };
      await more();
      await use(to);
      await more();
      isOver = true;
      await Promise.all(connecting);
      // Masqueraded: else the answer of another node's endpoint would not pass this node.
      expect(new Set(answers)).toEqual(new Set([`two ${ADDRESSES.gateway}`]));
    },
  );

  const dns = (address: string, more: Partial<Wish> = {}) =>
    serve(served, {
      name: "dns",
      ip: DNS,
      port: 53,
      protocol: "udp",
      endpoints: [{ address }],
      ...more,
    });
  const query = (localPort: number, [ip, port]: readonly [string, number] = [DNS, 53]) =>
    net.outside.ask(ip, port, { protocol: "udp", localPort, timeout_ms: 500 });

  const ways = inTurn(
    "ways of UDP clients",
    MODES.flatMap((from) => MODES.map((to) => [from, to] as const)),
    UDP_CHANGES,
  );
  test.each(ways)("UDP clients leave an endpoint that goes between %s and %s", async (from, to) => {
    await dns(ADDRESSES.one);
    await use(from);
    const localPort = freshPort();
    await waitFor("the first endpoint", async () => /^one /.test(await query(localPort)), patience);
    await proxy?.close();
    await dns(ADDRESSES.two);
    await use(to);
    await waitFor("the other one", async () => /^two /.test(await query(localPort)), patience);
  });

  test.each(MODES)("%s: UDP clients that came before a frontend find it", async (mode) => {
    await dns(ADDRESSES.two);
    await use(mode);
    const [localPort, nodePort] = [freshPort(), NODE_PORTS[mode]];
    const ask = () => query(localPort, [ADDRESSES.node, nodePort]);
    expect(await ask()).toMatch(/^(refused|silent)$/);
    await dns(ADDRESSES.two, { nodePort, spec: { type: "NodePort" } });
    await waitFor("the endpoint", async () => /^two /.test(await ask()), patience);
    await dns(ADDRESSES.two);
  });

  test.each(MODES)("%s: rules that are deleted by hand come back", async (mode) => {
    await use(mode);
    await answered("the Service");
    await damage(mode);
    expect(await net.outside.ask(IP, 80, { timeout_ms: 300 })).not.toMatch(/^two /);
    await answered("the Service again");
  });

  test("Services of another proxy and slices that are for DNS alone are not served", async () => {
    await use("nftables");
    await answered("the Service");
    const label = { "service.kubernetes.io/service-proxy-name": "x" };
    const hidden = { "service.kubernetes.io/headless": "" };
    const own = slice([ADDRESSES.two]);
    const isServed = async () => /^two /.test(await net.outside.ask(IP, 80, { timeout_ms: 500 }));
    for (const [service, itsSlice] of [
      [{ ...SERVICE, metadata: { ...SERVICE.metadata, labels: label } }, own],
      [
        SERVICE,
        { ...own, metadata: { ...own.metadata, labels: { ...own.metadata.labels, ...hidden } } },
      ],
    ] as const) {
      await served.set(service, itsSlice);
      await waitFor("no answer", async () => !(await isServed()), patience);
      await served.set(SERVICE, own);
      await answered("the Service again");
    }
  });

  test("a load balancer is told whether this node has endpoints", async () => {
    await use("nftables");
    const status = async () => (await fetch(`http://127.0.0.1:${HEALTH}/healthz`)).status;
    const becomes = (code: number) =>
      waitFor(`${code}`, async () => (await status()) === code, patience);
    await becomes(200);
    await served.set(SERVICE, slice([ADDRESSES.two], "elsewhere"));
    await becomes(503);
    const answer = await fetch(`http://127.0.0.1:${HEALTH}/`);
    expect(await answer.json()).toEqual({
      service: { namespace: "default", name: "modes" },
      localEndpoints: 0,
      serviceProxyHealthy: true,
    });
    await served.set(SERVICE, slice([ADDRESSES.two]));
    await becomes(200);
  });

  test("cleanup removes the rules of all modes, and no others", async () => {
    await use("iptables");
    await proxy?.close();
    proxy = undefined;
    const tools = iptables("nft");
    await tools.restore("*nat\n:OTHERS - [0:0]\n-A OTHERS -j RETURN\nCOMMIT\n");
    await cleanup();
    expect(await traces()).toEqual([]);
    const left = (await tools.save("nat")).filter((line) => /^-A|^:(?![A-Z]+ ACCEPT)/.test(line));
    expect(left).toEqual([expect.stringMatching(/^:OTHERS /), "-A OTHERS -j RETURN"]);
  });
});

const SERVICE: Service = {
  metadata: { namespace: "default", name: "modes" },
  spec: {
    type: "LoadBalancer",
    clusterIP: IP,
    clusterIPs: [IP],
    externalTrafficPolicy: "Local",
    healthCheckNodePort: HEALTH,
    ports: [{ name: "p", port: 80, protocol: "TCP" }],
  },
};

function slice(addresses: string[], nodeName = NODE_NAME): EndpointSlice {
  return {
    metadata: {
      namespace: "default",
      name: "modes-1",
      labels: { "kubernetes.io/service-name": "modes" },
    },
    addressType: "IPv4",
    ports: [{ name: "p", port: TARGETS.http, protocol: "TCP" }],
    endpoints: addresses.map((address) => ({
      addresses: [address],
      nodeName,
      conditions: { ready: true },
    })),
  };
}

/** Traces of each mode in the namespace. */
const TRACES: Readonly<Record<string, string[]>> = {
  nftables: ["table r2k-proxy"],
  iptables: ["KUBE-SERVICES"],
  userspace: ["table r2k-proxy-clients", "table r2k-proxy-userspace"],
};

async function traces(): Promise<string[]> {
  const tables = (await listRuleset(["tables"])).flatMap(({ table }) => {
    const name = String(table?.["name"]);
    return name.startsWith("r2k") ? [`table ${name}`] : [];
  });
  const chains = await iptables("nft").save("nat");
  const kube = chains.some((line) => line.startsWith(":KUBE-")) ? ["KUBE-SERVICES"] : [];
  return [...tables.sort(), ...kube];
}

/** Deletes what makes the Service work, as another program would. */
async function damage(mode: ModeName): Promise<void> {
  if (mode === "iptables") {
    await iptables("nft").restore("*nat\n:KUBE-SERVICES - [0:0]\nCOMMIT\n");
    return;
  }
  const table = mode === "nftables" ? "r2k-proxy" : "r2k-proxy-userspace";
  await applyRuleset(`flush map ip ${table} service-ips\n`);
}
