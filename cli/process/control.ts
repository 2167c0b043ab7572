import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { NODE_DEVICE } from "@raft2kube/cni/node/node-repair.ts";
import type { Tracer } from "@raft2kube/observe/trace/tracer.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { given } from "@raft2kube/std/given.ts";
import type { Command } from "commander";
import { clientAs } from "../pki/client-as.ts";
import { followTrust } from "../pki/followed-trust.ts";
import { frontProxyOptions } from "../pki/front-proxy.ts";
import { type ClusterFiles, clusterFiles } from "../pki/identities.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { apiServers } from "../spec/control-planes.ts";
import { loadBalancerPool, nodeRange } from "../spec/nodes.ts";
import { storeDir, storeSocket } from "../spec/store.ts";
import { mayGoOn } from "../supervisor/supervise.ts";
import { auditOf } from "./audit.ts";
import { startHostParts } from "./host-parts.ts";
import { startNodeRoutes } from "./node-routes.ts";
import { startRenewals } from "./renewals.ts";
import { processCommand } from "./running.ts";
import { servedBy } from "./served-versions.ts";
import type { Parts } from "./started-parts.ts";
import { startTraces } from "./traces.ts";

/**
 * How long an API server that is asked to end serves on: others' balancers find out that it is not
 * ready within two checks, a second and a half (`proxy/api-servers`).
 */
const SHUTDOWN_DELAY_MS = 3_000;

/** The process of a control plane: store, apiserver, controllers, scheduler. */
export const command = (): Command => processCommand("control", start);

async function start(config: ClusterConfig, parts: Parts): Promise<void> {
  const files = clusterFiles(config);
  await loadParts(config);
  await mayGoOn();
  const traces = await startTraces(config, parts);
  const etcd = await startEtcd(config, traces.asked("etcd"), parts);
  await startApi(config, { files, etcd, tracer: traces.all("apiserver") }, parts);
  await startControl(config, files, traces.all("scheduler"), parts);
  if (config.controlPlane === undefined) await startHostParts(config, parts);
  else await startRoutesToPods(config, parts);
  await parts.start("renewal", () => startRenewals(config, systemClock()));
}

/** Loads the code of all parts, while the command that starts this process makes certificates. */
async function loadParts({ etcdServers, storeMembers }: ClusterConfig): Promise<void> {
  await Promise.all([
    import("@raft2kube/apiserver/main.ts"),
    import("@raft2kube/controllers/main.ts"),
    import("@raft2kube/scheduler/main.ts"),
    etcdServers ?? storeMembers ?? import("@raft2kube/store/main.ts"),
  ]);
}

/** The apiserver reaches pods, which may serve webhooks and APIs, by their nodes. */
async function startRoutesToPods(config: ClusterConfig, parts: Parts): Promise<void> {
  const clock = systemClock();
  const all = [config.hostAddress, ...apiServers(config).values()];
  const others = all.filter((address) => address !== config.nodeAddress);
  await parts.start("routes to pods", async () => {
    const userAgent = "r2k-routes";
    return startNodeRoutes({
      client: await clientAs(config, "controller-manager", clock, { userAgent }),
      device: NODE_DEVICE,
      source: config.nodeAddress,
      scope: { nodeRange: nodeRange(config), podCidr: config.podCidr, shared: [], others },
      keep: () => Promise.resolve(false),
      clock,
    });
  });
}

/** The embedded store, or the client of its members or of the servers of `--etcd-servers`. */
async function startEtcd(
  config: ClusterConfig,
  tracer: Tracer | undefined,
  parts: Parts,
): Promise<EtcdClient> {
  if (config.etcdServers !== undefined || config.storeMembers !== undefined) {
    const { connectStore } = await import("../observe/etcd-servers.ts");
    return parts.start("store client", () => Promise.resolve(connectStore(config)));
  }
  const { startStore } = await import("@raft2kube/store/main.ts");
  if (config.controlPlane !== undefined) {
    const { controlPlaneMember } = await import("./store-member.ts");
    const options = { ...(await controlPlaneMember(config, clusterFiles(config))), tracer };
    return (await parts.start("store", () => startStore(options))).client;
  }
  const dataDir = storeDir(config);
  const path = storeSocket(config);
  const store = await parts.start("store", () => {
    return startStore({ dataDir, listenClient: { path }, keepsDiskReserve: true, tracer });
  });
  return store.client;
}

/** The parts that an API server is started on. */
interface ApiBase {
  readonly files: ClusterFiles;
  readonly etcd: EtcdClient;
  readonly tracer: Tracer | undefined;
}

async function startApi(
  config: ClusterConfig,
  { files, etcd, tracer }: ApiBase,
  parts: Parts,
): Promise<void> {
  const { startApiserver } = await import("@raft2kube/apiserver/main.ts");
  const kubeletClient = await readPair(files, "apiserver-kubelet-client");
  const tls = await readPair(files, "apiserver");
  const frontProxy = await frontProxyOptions(files);
  const ca = await readFile(files.pair("ca").cert, "utf8");
  const proxyCa = files.pair("front-proxy-ca").cert;
  const trust = await parts.start("certificates", () =>
    followTrust(
      {
        ...files.pair("apiserver"),
        clientCa: files.pair("ca").cert,
        proxyCa,
        kubeletClient: { ...files.pair("apiserver-kubelet-client"), ca: files.pair("ca").cert },
        proxyClient: files.pair("front-proxy-client"),
      },
      systemClock(),
    ),
  );
  const privateKey = await readFile(join(files.pkiDir, "sa.key"), "utf8");
  const publicKey = await readFile(join(files.pkiDir, "sa.pub"), "utf8");
  const audit = await auditOf(config);
  const address = ownAddress(config);
  await parts.start("apiserver", async () =>
    startApiserver({
      etcd,
      listen: ["127.0.0.1", address].map((host) => ({ host, port: config.apiPort })),
      tls,
      clientCa: ca,
      trust,
      serviceAccountKey: {
        privateKey,
        publicKeys: [publicKey],
        issuer: `https://kubernetes.default.svc.${config.clusterDomain}`,
      },
      serviceCidr: config.serviceCidr,
      advertiseAddress: address,
      advertisePort: config.apiPort,
      ...(config.controlPlane === undefined
        ? {}
        : { machineName: config.nodeName, shutdown: { delay_ms: SHUTDOWN_DELAY_MS } }),
      kubeletClient: { ...kubeletClient, ca },
      ...frontProxy,
      audit,
      ...given({ serves: await servedBy(config.runtimeConfig) }),
      tracer,
      // Off by default, as upstream; nodes join by them, as in a cluster that kubeadm makes.
      bootstrapTokens: true,
      policyStatuses: true,
      // Off by default, as upstream; here the right to write Services must not redirect traffic.
      admission: { enable: ["DefaultUserNamespaces", "DenyServiceExternalIPs"] },
    }),
  );
}

/** The address by which others reach this control plane. */
function ownAddress({ controlPlane, nodeAddress, hostAddress }: ClusterConfig): string {
  return controlPlane === undefined ? hostAddress : nodeAddress;
}

/** Upstream's port of kube-controller-manager. */
const CONTROLLERS_PORT = 10_257;
/** Upstream's port of kube-scheduler. */
const SCHEDULER_PORT = 10_259;

async function startControl(
  config: ClusterConfig,
  files: ClusterFiles,
  tracer: Tracer | undefined,
  parts: Parts,
): Promise<void> {
  const [{ startControllers }, { startScheduler }] = await Promise.all([
    import("@raft2kube/controllers/main.ts"),
    import("@raft2kube/scheduler/main.ts"),
  ]);
  const ca = await readPair(files, "ca");
  const serviceAccountKey = await readFile(join(files.pkiDir, "sa.key"), "utf8");
  const election = electionOf(config);
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
      ...election,
      // The link's address is this cluster's own: clusters side by side do not compete for it.
      serve: {
        host: ownAddress(config),
        port: CONTROLLERS_PORT,
        clientCa: ca.cert,
        optional: true,
      },
      clock: systemClock(),
    }),
  );
  await parts.start("scheduler", async () =>
    startScheduler({
      connection: await kubeConnection(files.kubeconfig("scheduler")),
      tracer,
      ...election,
      serve: { host: ownAddress(config), port: SCHEDULER_PORT, clientCa: ca.cert, optional: true },
    }),
  );
}

/** Returns how instances are elected: for the only one it would cost a lease time after a crash. */
function electionOf({ controlPlane, nodeName }: ClusterConfig) {
  if (controlPlane === undefined) return { leaderElect: false } as const;
  return { leaderElect: true, identity: `${nodeName}_${randomUUID()}` } as const;
}

async function readPair(files: ClusterFiles, name: string): Promise<{ cert: string; key: string }> {
  const { cert, key } = files.pair(name);
  return { cert: await readFile(cert, "utf8"), key: await readFile(key, "utf8") };
}
