import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { type NodePart, nodeUser } from "@raft2kube/api/node-users.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { ENDPOINT_SLICES, SERVICES } from "@raft2kube/client-kube/rest/resources.ts";
import { type Dns, startDns } from "@raft2kube/dns/main.ts";
import { deleteTable, nftTableExists } from "@raft2kube/linux/netfilter/nft.ts";
import { cleanup, startProxy } from "@raft2kube/proxy/main.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type EtcdServer, startEtcd } from "../../../testing/apiserver/etcd-server.ts";
import {
  startTestApiserver,
  type TestApiserver,
} from "../../../testing/apiserver/test-apiserver.ts";
import { ask } from "../../../testing/network/host-network.ts";
import { waitFor } from "../../../testing/wait.ts";
import { applyAddons } from "../../contract/node-users/cluster-apiserver.ts";
import { createNetworkCluster, lookUp, type NetworkCluster, RANGES, refusal } from "./cluster.ts";

// Proxy and DNS under their own identities, on our apiserver, which listens on the host's side.
const clock = systemClock();
const TABLE = "r2k-proxy";
let cluster: NetworkCluster;
let etcd: EtcdServer;
let api: TestApiserver;
let admin: KubeClient;
let dns: Dns;
let proxy: Awaited<ReturnType<typeof startProxy>>;
let one: { netns: string; address: string };
let two: { netns: string; address: string };
const clients: KubeClient[] = [];

const clientOf = (part: NodePart) => {
  const { name, group } = nodeUser(part, "here");
  return clientAs(name, [group]);
};

async function clientAs(user: string, organizations: string[] = []): Promise<KubeClient> {
  const { cert, key } = await api.credentials(user, organizations);
  const client = new KubeClient({
    server: api.server,
    ca: api.ca.cert,
    cert,
    key,
    tlsServerName: "localhost",
    clock,
  });
  clients.push(client);
  return client;
}

async function startOwnProxy(): Promise<void> {
  const nodeName = "here";
  const client = await clientOf("proxy");
  proxy = await startProxy({ client, nodeName, clusterCidr: "10.244.0.0/16", clock });
  await proxy.ready;
}

beforeAll(async () => {
  cluster = await createNetworkCluster(async () => {
    etcd = await startEtcd();
    api = await startTestApiserver(etcd.client, {
      listen: [{ host: RANGES.hostAddress, port: 6443 }],
      advertiseAddress: RANGES.hostAddress,
      advertisePort: 6443,
    });
  });
  [one, two] = [await cluster.pod("one"), await cluster.pod("two")];
  admin = await clientAs("admin", ["system:masters"]);
  await applyAddons(admin, api.dir);
  await startOwnProxy();
  dns = await startDns({
    client: await clientOf("dns"),
    address: RANGES.nodeAddress,
    upstreams: () => [],
    clock,
  });
  await dns.ready;
});

afterAll(async () => {
  await dns.close();
  await proxy.close();
  await cleanup();
  for (const client of clients) client.close();
  await api.close();
  await etcd.close();
  await cluster.close();
});

const services = () => admin.resource(SERVICES);
const slices = () => admin.resource(ENDPOINT_SLICES);

const slice = (name: string, port: number, addresses: string[]): EndpointSlice => ({
  metadata: { name, namespace: "default", labels: { "kubernetes.io/service-name": name } },
  addressType: "IPv4",
  endpoints: addresses.map((address) => ({ addresses: [address], nodeName: "here" })),
  ports: [{ port, protocol: "TCP" }],
});

async function createService(name: string, spec: Partial<Service["spec"]> = {}): Promise<string> {
  const ports = [{ port: 80 }];
  const metadata = { name, namespace: "default" };
  const created = await services().create({ metadata, spec: { ports, ...spec } });
  return created.spec.clusterIP ?? "";
}

/** Waits until a client in `netns` is answered by this server. */
const answered = (netns: string, ip: string, port: number, by: RegExp) =>
  waitFor(`${ip}:${port} to be answered by ${by}`, async () => {
    return by.test((await ask(netns, ip, port)) ?? "") || undefined;
  });

test("pods reach the apiserver by the Service `kubernetes`", async () => {
  await waitFor("the apiserver's endpoints", async () => {
    return (await refusal(one.netns, "10.96.0.1", 443)) === "" || undefined;
  });
});

test("a Service is served as soon as it has endpoints, follows them, and ends", async () => {
  const ip = await createService("web", { type: "NodePort" });
  const { spec } = await services().get({ name: "web", namespace: "default" });
  const nodePort = spec.ports?.[0]?.nodePort ?? 0;
  await slices().create(slice("web", 80, [one.address]));
  await answered(cluster.net.host, ip, 80, /^one /);
  await answered(cluster.net.host, RANGES.nodeAddress, nodePort, /^one /);
  await answered(two.netns, ip, 80, /^one /);
  const { metadata } = await slices().get({ name: "web", namespace: "default" });
  await slices().update({ ...slice("web", 80, [two.address]), metadata });
  await answered(cluster.net.host, ip, 80, /^two /);
  await services().delete({ name: "web", namespace: "default" });
  await waitFor("the Service to end", async () => {
    return /refused/.test(await refusal(cluster.net.host, ip, 80)) || undefined;
  });
  expect(await refusal(cluster.net.host, RANGES.nodeAddress, nodePort)).toMatch(/refused/);
});

test("a new Service's name is found, from the host's side of the DNS server too", async () => {
  const ip = await createService("named");
  for (const netns of [one.netns, cluster.net.host]) {
    await waitFor("the name", async () => {
      const said = await lookUp(netns, "named.default.svc.cluster.local", RANGES.nodeAddress);
      return said.includes(ip) || undefined;
    });
  }
});

test("rules that were flushed come back", async () => {
  const ip = await createService("lasting");
  await slices().create(slice("lasting", 80, [one.address]));
  await answered(cluster.net.host, ip, 80, /^one /);
  await deleteTable("ip", TABLE);
  await answered(cluster.net.host, ip, 80, /^one /);
});

test("a Service with the API's address as external address does not block the API", async () => {
  const spec = { externalIPs: [RANGES.hostAddress], ports: [{ port: 6443 }] };
  const ip = await createService("greedy", spec);
  await slices().create(slice("greedy", 80, [one.address]));
  await answered(two.netns, ip, 6443, /^one /);
  await proxy.close();
  await startOwnProxy();
  await services().delete({ name: "greedy", namespace: "default" });
  await waitFor("its rules to end", async () => {
    return /refused/.test(await refusal(two.netns, ip, 6443)) || undefined;
  });
});

test("without the apiserver Services go on", async () => {
  const ip = await createService("steady");
  await slices().create(slice("steady", 80, [one.address]));
  await answered(cluster.net.host, ip, 80, /^one /);
  await api.apiserver.close();
  expect(await ask(cluster.net.host, ip, 80)).toMatch(/^one /);
});

test("closing the proxy leaves the rules; cleanup takes them away", async () => {
  await proxy.close();
  expect(nftTableExists("ip", TABLE)).toBe(true);
  await cleanup();
  expect(nftTableExists("ip", TABLE)).toBe(false);
});
