import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { openSync } from "node:fs";
import { join } from "node:path";
import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import type { KubeObject } from "@raft2kube/api/kind.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { ENDPOINT_SLICES, NODES, SERVICES } from "@raft2kube/client-kube/rest/resources.ts";
import { deleteTable } from "@raft2kube/linux/netfilter/nft.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { startEtcd } from "../../../testing/apiserver/etcd-server.ts";
import {
  startTestApiserver,
  type TestApiserver,
} from "../../../testing/apiserver/test-apiserver.ts";
import { killed } from "../../../testing/killed.ts";
import { ADDRESSES, CLUSTER_CIDR } from "../../../testing/network/node-network.ts";
import { type Implementation, NODE_NAME, NODE_ZONE, type Served } from "./implementation.ts";

/** Upstream's kube-proxy, where it was built: `npm run peers -- kube-proxy`. */
export const KUBE_PROXY = join(import.meta.dirname, "../../../.peers/bin/kube-proxy");

/** The program that it runs in mode ipvs, of Debian's package of that name. */
export const IPSET = "/usr/sbin/ipset";

/** The other ones: in a guest those that work without nftables, whose kernel has no NAT of it. */
export const IPTABLES_PROGRAMS = [
  "iptables",
  "iptables-save",
  "iptables-restore",
  "ip6tables",
  "ip6tables-save",
  "ip6tables-restore",
];

/** Where kube-proxy serves its metrics. */
export const METRICS = "127.0.0.1:10249";

const REFUSES: Implementation["refuses"] = {
  "a connection that an endpoint refuses is tried at another":
    "the kernel chooses the endpoint before it answers",
  "endpoints on loopback, link-local and multicast addresses are ignored":
    "the API refuses such slices; kube-proxy trusts it",
  "an external address takes over no cluster IP and no pod": "CVE-2020-8554 is left to admission",
};

const IPTABLES_REFUSES: Implementation["refuses"] = {
  "a port of a cluster IP that no Service has is refused at once": "it is left to routing",
};

const IPVS_REFUSES: Implementation["refuses"] = {
  "externalTrafficPolicy Local drops without an endpoint of this node":
    "it uses those of other nodes then",
  "externalTrafficPolicy Local: pods and the node use all endpoints":
    "a virtual server has the same destinations for every client",
  "affinity ends after its timeout":
    "not always: IPVS keeps a client while its closed connections are remembered, two minutes",
};

/** Upstream's kube-proxy on our apiserver, in the namespace of this process. */
export function upstream(mode: "nftables" | "iptables" | "ipvs"): Implementation {
  const more = { nftables: {}, iptables: IPTABLES_REFUSES, ipvs: IPVS_REFUSES }[mode];
  const refuses = { ...REFUSES, ...more };
  return { name: `${mode} of kube-proxy`, refuses, start: (own) => start(mode, own) };
}

async function start(mode: string, nodePortAddresses?: string[]): Promise<Served> {
  const api = await startApi();
  const proxy = await runKubeProxy(mode, api.server, nodePortAddresses);
  return {
    ...api.served,
    async close() {
      await proxy.close();
      await api.served.close();
    },
  };
}

/** Runs kube-proxy on an apiserver, in the namespace of this process; `close` removes its rules. */
export async function runKubeProxy(
  mode: string,
  server: TestApiserver,
  nodePortAddresses = [`${ADDRESSES.node}/32`, `${ADDRESSES.gateway}/32`],
): Promise<{ pid: number; close(): Promise<void> }> {
  const { dir } = server;
  const kubeconfig = await server.kubeconfigFor("system:kube-proxy");
  const ranges = `--nodeport-addresses=${nodePortAddresses.join()}`;
  const child = startKubeProxy(mode, kubeconfig, dir, ranges);
  return {
    pid: child.pid ?? 0,
    async close() {
      await killed(child);
      await removeRules(mode, kubeconfig, dir);
    },
  };
}

function startKubeProxy(mode: string, kubeconfig: string, dir: string, ...more: string[]) {
  const flags = {
    kubeconfig,
    "proxy-mode": mode,
    "hostname-override": NODE_NAME,
    "cluster-cidr": CLUSTER_CIDR,
    "iptables-localhost-nodeports": "false",
    "iptables-min-sync-period": "20ms",
    "ipvs-min-sync-period": "20ms",
    "healthz-bind-address": "127.0.0.1:10256",
    "metrics-bind-address": METRICS,
    // Which are the machine's.
    "conntrack-max-per-core": "0",
    "conntrack-min": "0",
    "conntrack-tcp-timeout-established": "0s",
    "conntrack-tcp-timeout-close-wait": "0s",
  };
  const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
  const log = openSync(join(dir, "kube-proxy.log"), "a");
  const child: ChildProcess = spawn(KUBE_PROXY, [...args, ...more], {
    stdio: ["ignore", log, log],
  });
  child.on("error", (error) => process.stderr.write(`kube-proxy: ${error.message}\n`));
  return child;
}

async function removeRules(mode: string, kubeconfig: string, dir: string): Promise<void> {
  await once(startKubeProxy(mode, kubeconfig, dir, "--cleanup"), "exit");
  if (mode === "nftables") await deleteTable("ip", "kube-proxy");
}

/** An apiserver in the namespace of this process, with a Node of its name. */
export async function startApi(): Promise<{ server: TestApiserver; served: Served }> {
  const etcd = await startEtcd();
  const server = await startTestApiserver(etcd.client);
  const { cert, key } = await server.credentials("admin", ["system:masters"]);
  const client = new KubeClient({
    server: server.server,
    ca: server.ca.cert,
    cert,
    key,
    tlsServerName: "localhost",
    clock: systemClock(),
    qps: 1_000,
    burst: 1_000,
  });
  const services = client.resource(SERVICES);
  const slices = client.resource(ENDPOINT_SLICES);
  const nodes = client.resource(NODES);
  const labels = { "topology.kubernetes.io/zone": NODE_ZONE };
  await nodes.create({ metadata: { name: NODE_NAME, labels }, spec: {} });
  const node = await nodes.get({ name: NODE_NAME });
  const addresses = [{ type: "InternalIP", address: ADDRESSES.node }];
  await nodes.updateStatus({ ...node, status: { addresses } } as Node);
  const at = (name: string) => ({ namespace: "default", name });
  const known = new Set<string>();
  const served: Served = {
    async set(service, slice) {
      const name = service.metadata.name ?? "";
      const isNew = !known.has(name);
      known.add(name);
      if (isNew) await services.create(service);
      else await services.update(newerThan(await services.get(at(name)), service));
      const { status } = service;
      if (status) await services.updateStatus({ ...(await services.get(at(name))), status });
      if (isNew) await slices.create(slice);
      else await slices.update(newerThan(await slices.get(at(`${name}-1`)), slice));
    },
    async remove(name) {
      known.delete(name);
      await slices.delete(at(`${name}-1`));
      await services.delete(at(name));
    },
    async close() {
      client.close();
      await server.close();
      await etcd.close();
    },
  };
  return { server, served };
}

const newerThan = <T extends KubeObject>({ metadata }: T, wanted: T): T => ({
  ...wanted,
  metadata: { ...metadata, labels: wanted.metadata.labels },
});
