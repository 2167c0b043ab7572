import { type ChildProcess, execFile, spawn } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { ENDPOINT_SLICES, NODES, SERVICES } from "@raft2kube/client-kube/rest/resources.ts";
import { enterNetns, inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { addAddress } from "@raft2kube/linux/netlink/address.ts";
import {
  createBridge,
  createVeth,
  getLink,
  openRoute,
  setLink,
} from "@raft2kube/linux/netlink/link.ts";
import { writeSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startEtcd } from "../../../testing/apiserver/etcd-server.ts";
import {
  startTestApiserver,
  type TestApiserver,
} from "../../../testing/apiserver/test-apiserver.ts";
import { killed } from "../../../testing/killed.ts";
import { createNamespaces, type Namespaces } from "../../../testing/network/namespaces.ts";
import { Agent } from "../../../testing/network/node-network.ts";
import { waitFor } from "../../../testing/wait.ts";
import { arp, BROADCAST, ethernet, openRaw } from "../cni/frames.ts";

// Two nodes, a stranger and a client on one bridge, as machines of a LAN.

const CLI = join(import.meta.dirname, "../../../cli/main.ts");
const [CLIENT, VIP, PORT] = ["192.0.2.1", "192.0.2.200", 8080];
/** A second address of the Service's status, which its controller did not give. */
const FURTHER = "192.0.2.201";
const NODES_AT = { a: "192.0.2.11", b: "192.0.2.12" } as const;
const SERVER = "192.0.2.20";
const ARP = 0x0806;
const clock = systemClock();
const TRY_MS = 250;
/** Each node has another kind of rules. */
const MODES = { a: "nftables", b: "iptables" } as const;

type Name = keyof typeof NODES_AT;
/** The first node by the digest of its name and the address, and the one that follows it. */
const [CARRIER, OTHER] = ["b", "a"] as const;

describe.runIf(process.getuid?.() === 0)("addresses announced on a LAN", () => {
  let namespaces: Namespaces;
  let etcd: Awaited<ReturnType<typeof startEtcd>>;
  let api: TestApiserver;
  let kubeconfig: string;
  let client: Agent;
  let server: Agent;
  const paths = new Map<string, string>();
  const proxies = new Map<Name, ChildProcess>();

  /** Puts a machine on the bridge. */
  function machine(name: string, address: string): string {
    const netns = namespaces.add(name);
    using route = openRoute();
    createVeth(route, { name: `p-${name}`, up: true }, { name: "eth0", up: true, netns });
    setLink(route, getLink(route, `p-${name}`), { master: getLink(route, "br0").index });
    inNetns(netns, () => {
      using there = openRoute();
      addAddress(there, getLink(there, "eth0").index, `${address}/24`);
      writeSysctl("net.ipv4.ip_forward", 1);
    });
    paths.set(name, netns);
    return netns;
  }

  function startProxy(name: Name): void {
    const flags = [
      "proxy",
      "--kubeconfig",
      kubeconfig,
      "--hostname-override",
      name,
      "--cluster-cidr",
      "10.244.0.0/16",
      "--announce-load-balancers",
      "eth0",
      "--proxy-mode",
      MODES[name],
    ];
    const start = () =>
      spawn(process.execPath, [CLI, ...flags], { stdio: ["ignore", "ignore", "inherit"] });
    proxies.set(name, inNetns(paths.get(name)!, start));
  }

  async function endProxy(name: Name, signal: NodeJS.Signals): Promise<void> {
    const child = proxies.get(name)!;
    await killed(child, signal);
  }

  beforeAll(async () => {
    namespaces = createNamespaces("r2k-lan-");
    enterNetns(namespaces.add("lan"));
    using route = openRoute();
    createBridge(route, { name: "br0" });
    setLink(route, getLink(route, "br0"), { up: true });
    addAddress(route, getLink(route, "br0").index, `${CLIENT}/24`);
    for (const [name, address] of Object.entries(NODES_AT)) machine(name, address);
    server = new Agent(machine("server", SERVER));
    await server.listen(PORT, "server");
    client = new Agent(join(namespaces.root, "lan"));
    etcd = await startEtcd();
    api = await startTestApiserver(etcd.client, { listen: [{ host: CLIENT, port: 0 }] });
    kubeconfig = await api.kubeconfigFor("system:kube-proxy");
    await createObjects(api);
    startProxy("a");
    startProxy("b");
  });

  afterAll(async () => {
    for (const name of proxies.keys()) await endProxy(name, "SIGKILL");
    for (const agent of [client, server]) agent.close();
    await api.close();
    await etcd.close();
    namespaces.close();
  });

  /** The node that passed a connection on, by the address that it has for the server. */
  async function passedBy(): Promise<Name | undefined> {
    const answer = await client.ask(VIP, 80, { timeout_ms: TRY_MS });
    return (["a", "b"] as const).find((name) => answer === `server ${NODES_AT[name]}`);
  }
  const untilBy = (name: Name) =>
    waitFor(`${name} to carry it`, async () => (await passedBy()) === name || undefined);

  test("a client reaches the address by one node", () => untilBy(CARRIER));

  test("no node answers for an address that the Service's status has beside its own", async () => {
    expect(await client.ask(FURTHER, 80, { timeout_ms: TRY_MS })).not.toContain("server");
    const { stdout } = await promisify(execFile)("nsenter", [
      `--net=${join(namespaces.root, "lan")}`,
      "ip",
      "neigh",
      "show",
      FURTHER,
    ]);
    expect(stdout).not.toContain("lladdr");
  });

  test("a stranger's claim of it is answered, and the client returns to the node", async () => {
    const stranger = openRaw(paths.get("server")!, "eth0");
    const mac = inNetns(paths.get("server")!, () => {
      using route = openRoute();
      return getLink(route, "eth0").mac;
    });
    const own = { mac, ip: VIP };
    stranger.send(ethernet(BROADCAST, mac, ARP, arp(1, own, own)));
    const announced = await waitFor("the defence", () =>
      stranger
        .receive()
        .find(
          (frame) => frame.readUInt16BE(12) === ARP && frame.subarray(28, 32).join(".") === VIP,
        ),
    );
    expect(announced.subarray(22, 28).toString("hex")).not.toBe(mac.replaceAll(":", ""));
    stranger.close();
    await untilBy(CARRIER);
  });

  test("its process is killed: the other node answers, and gives it back", async () => {
    await endProxy(CARRIER, "SIGKILL");
    await untilBy(OTHER);
    startProxy(CARRIER);
    await untilBy(CARRIER);
  });

  test("its cable is pulled: the other node answers", async () => {
    const port = (up: boolean) => {
      using route = openRoute();
      setLink(route, getLink(route, `p-${CARRIER}`), { up });
    };
    port(false);
    try {
      await untilBy(OTHER);
    } finally {
      port(true);
    }
    await untilBy(CARRIER);
  });
});

/** Nodes, and a Service that has an address and the server as its endpoint. */
async function createObjects(api: TestApiserver): Promise<void> {
  const { cert, key } = await api.credentials("admin", ["system:masters"]);
  const kube = new KubeClient({ server: api.server, ca: api.ca.cert, cert, key, clock });
  const [nodes, services] = [kube.resource(NODES), kube.resource(SERVICES)];
  for (const [name, address] of Object.entries(NODES_AT)) {
    const node = await nodes.create({ metadata: { name }, spec: {} });
    const addresses = [{ type: "InternalIP", address }];
    const conditions = [{ type: "Ready", status: "True" }];
    await nodes.updateStatus({ ...node, status: { addresses, conditions } } as Node);
  }
  const metadata = { namespace: "default", name: "web" };
  const ports = [{ port: 80, protocol: "TCP" as const }];
  const service = await services.create({ metadata, spec: { type: "LoadBalancer", ports } });
  const loadBalancer = { ingress: [VIP, FURTHER].map((ip) => ({ ip, ipMode: "VIP" })) };
  await services.updateStatus({ ...service, status: { loadBalancer } });
  await kube
    .resource(ENDPOINT_SLICES)
    .create({
      metadata: { ...metadata, labels: { "kubernetes.io/service-name": "web" } },
      addressType: "IPv4",
      endpoints: [{ addresses: [SERVER] }],
      ports: [{ port: PORT }],
    });
  kube.close();
}
