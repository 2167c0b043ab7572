import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { given } from "@raft2kube/std/given.ts";
import type { Command } from "commander";
import type { ClusterConfig } from "../spec/config.ts";
import { clientAs } from "../pki/client-as.ts";
import { followTrust } from "../pki/followed-trust.ts";
import { frontProxyOptions } from "../pki/front-proxy.ts";
import { type ClusterFiles, clusterFiles } from "../pki/identities.ts";
import { isOwnBalanced, loadBalancerPool, nodeRange } from "../spec/nodes.ts";
import { storeDir, storeSocket } from "../spec/store.ts";
import { hostDevice, hostRepair } from "../apply/network.ts";
import { auditOf } from "./audit.ts";
import { type NodeRoutes, startNodeRoutes } from "./node-routes.ts";
import { processCommand } from "./running.ts";
import type { Parts } from "./started-parts.ts";

/** The process of the control plane: store, apiserver, controllers, scheduler. */
export function command(): Command {
  return processCommand("control", start);
}

async function start(config: ClusterConfig, parts: Parts): Promise<void> {
  const files = clusterFiles(config);
  const etcd = await startEtcd(config, parts);
  await startApi(config, files, etcd, parts);
  await startControl(config, files, parts);
  await startLoopbackPorts(config, parts);
  await startHostRoutes(config, parts);
}

/** The embedded store, or the client of its members or of the servers of `--etcd-servers`. */
async function startEtcd(config: ClusterConfig, parts: Parts): Promise<EtcdClient> {
  if (config.etcdServers !== undefined || config.storeMembers !== undefined) {
    const { connectStore } = await import("../observe/etcd-servers.ts");
    return parts.start("store client", () => Promise.resolve(connectStore(config)));
  }
  const { startStore } = await import("@raft2kube/store/main.ts");
  const dataDir = storeDir(config);
  const path = storeSocket(config);
  const store = await parts.start("store", () => {
    return startStore({ dataDir, listenClient: { path }, keepsDiskReserve: true });
  });
  return store.client;
}

async function startApi(
  config: ClusterConfig,
  files: ClusterFiles,
  etcd: EtcdClient,
  parts: Parts,
): Promise<void> {
  const { startApiserver } = await import("@raft2kube/apiserver/main.ts");
  const kubeletClient = await readPair(files, "apiserver-kubelet-client");
  const tls = await readPair(files, "apiserver");
  const frontProxy = await frontProxyOptions(files);
  const ca = await readFile(files.pair("ca").cert, "utf8");
  const proxyCa = files.pair("front-proxy-ca").cert;
  const trust = await parts.start("certificates", () =>
    followTrust({ ...files.pair("apiserver"), clientCa: files.pair("ca").cert, proxyCa },
      systemClock()));
  const privateKey = await readFile(join(files.pkiDir, "sa.key"), "utf8");
  const publicKey = await readFile(join(files.pkiDir, "sa.pub"), "utf8");
  const audit = await auditOf(config);
  await parts.start("apiserver", () =>
    startApiserver({
      etcd,
      listen: ["127.0.0.1", config.hostAddress].map((host) => ({ host, port: config.apiPort })),
      tls,
      clientCa: ca,
      trust,
      serviceAccountKey: {
        privateKey,
        publicKeys: [publicKey],
        issuer: `https://kubernetes.default.svc.${config.clusterDomain}`,
      },
      serviceCidr: config.serviceCidr,
      advertiseAddress: config.hostAddress,
      advertisePort: config.apiPort,
      kubeletClient: { ...kubeletClient, ca },
      ...frontProxy,
      audit,
      // Off by default, as upstream; nodes join by them, as in a cluster that kubeadm makes.
      bootstrapTokens: true,
      // Off by default, as upstream; here the right to write Services must not redirect traffic.
      admission: { enable: ["DenyServiceExternalIPs"] },
    }),
  );
}

/** Upstream's port of kube-controller-manager. */
const CONTROLLERS_PORT = 10_257;

async function startControl(
  config: ClusterConfig,
  files: ClusterFiles,
  parts: Parts,
): Promise<void> {
  const [{ startControllers }, { startScheduler }] = await Promise.all([
    import("@raft2kube/controllers/main.ts"),
    import("@raft2kube/scheduler/main.ts"),
  ]);
  const ca = await readPair(files, "ca");
  const serviceAccountKey = await readFile(join(files.pkiDir, "sa.key"), "utf8");
  const { nodeCidrMaskSize: nodeCidrMask, nodeMonitorGracePeriod_ms } = config;
  await parts.start("controllers", async () =>
    startControllers({
      connection: await kubeConnection(files.kubeconfig("controller-manager")),
      clusterCidr: config.podCidr,
      loadBalancerPool: loadBalancerPool(config),
      ...given({ nodeCidrMask, nodeMonitorGracePeriod_ms }),
      rootCa: ca.cert,
      clusterSigning: ca,
      serviceAccountKey,
      // Off by default, as upstream; on in a cluster that kubeadm makes, too.
      controllers: ["*", "bootstrap-signer-controller", "token-cleaner-controller"],
      // The only instance: an election would cost the first start its lease time after a crash.
      leaderElect: false,
      // The link's address is this cluster's own: clusters side by side do not compete for it.
      serve: {
        host: config.hostAddress, port: CONTROLLERS_PORT, clientCa: ca.cert, optional: true,
      },
      clock: systemClock(),
    }),
  );
  await parts.start("scheduler", async () =>
    startScheduler({
      connection: await kubeConnection(files.kubeconfig("scheduler")),
      leaderElect: false,
    }),
  );
}

/** Node ports answer where one tries them first: on localhost. */
async function startLoopbackPorts(config: ClusterConfig, parts: Parts): Promise<void> {
  const { startHostPorts } = await import("@raft2kube/proxy/localhost/main.ts");
  await parts.start("host ports", async () => {
    const clock = systemClock();
    const client = await clientAs(config, "proxy", clock, { userAgent: "r2k-host-ports" });
    return startHostPorts({ client, clock });
  });
}

/** The host reaches pods by their nodes, and Services by any node that is ready. */
async function startHostRoutes(config: ClusterConfig, parts: Parts): Promise<void> {
  const { podCidr, serviceCidr, hostAddress: source, nodeAddress: gateway } = config;
  const clock = systemClock();
  const routes = await parts.start("host routes", async () => {
    const userAgent = "r2k-routes";
    return startNodeRoutes({
      client: await clientAs(config, "controller-manager", clock, { userAgent }),
      device: hostDevice(config),
      source,
      scope: { nodeRange: nodeRange(config), podCidr, shared: [serviceCidr, podCidr], gateway },
      keep: hostRepair(config),
      clock,
    });
  });
  await parts.start("load balancer", () => startHostBalance(config, routes, clock));
}

/** The host reaches the cluster's own addresses of load balancers by the nodes that carry them. */
async function startHostBalance(config: ClusterConfig, routes: NodeRoutes, clock: Clock) {
  const { startBalance } = await import("@raft2kube/proxy/balance/main.ts");
  return startBalance({
    client: await clientAs(config, "proxy", clock, { userAgent: "r2k-balance" }),
    apply(carriers) {
      // No others: a Service must not take the host's traffic to addresses elsewhere.
      const own = [...carriers].filter(([address]) => isOwnBalanced(config, address));
      routes.setFurther(new Map(own.map(([to, { address }]) => [`${to}/32`, address])));
    },
    log: logger("balance"),
    clock,
  });
}

async function readPair(files: ClusterFiles, name: string): Promise<{ cert: string; key: string }> {
  const { cert, key } = files.pair(name);
  return { cert: await readFile(cert, "utf8"), key: await readFile(key, "utf8") };
}
