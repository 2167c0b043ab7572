import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { nodeInvoke } from "@raft2kube/cni/main.ts";
import { configureGuest } from "@raft2kube/cni/node/node.ts";
import { guestRepair, nodeRepair } from "@raft2kube/cni/node/node-repair.ts";
import { keptByCache } from "@raft2kube/container/build/cache.ts";
import { startHostPathDriver } from "@raft2kube/csi/drivers/hostpath/main.ts";
import { startNfsDriver } from "@raft2kube/csi/drivers/nfs/main.ts";
import { startProvisioner } from "@raft2kube/csi/sidecars/provisioner.ts";
import { startDns } from "@raft2kube/dns/main.ts";
import { NODE_LEASE_S } from "@raft2kube/kubelet/limits.ts";
import { startKubelet } from "@raft2kube/kubelet/main.ts";
import { hasNfsClient } from "@raft2kube/kubelet/volumes/nfs.ts";
import { shareMounts } from "@raft2kube/linux/mount/mount-point.ts";
import { type NetworkPolicies, startNetworkPolicies } from "@raft2kube/network-policy/main.ts";
import { ENFORCED_LABEL, refusePolicies } from "@raft2kube/network-policy/refuse.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Tracer } from "@raft2kube/observe/trace/tracer.ts";
import { startProxy } from "@raft2kube/proxy/main.ts";
import { buildDemoImages } from "@raft2kube/runtime/build/demo-images.ts";
import { type RuntimeHandle, startRuntime } from "@raft2kube/runtime/main.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { nodeNetwork } from "../apply/network.ts";
import { installPlugins } from "../apply/plugins.ts";
import { clientAs } from "../pki/client-as.ts";
import { clusterFiles } from "../pki/identities.ts";
import { ociRuntimes, requireProgram } from "../preflight/programs.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { nodeCgroup, nodePaths, ownPluginsDir } from "../spec/paths.ts";
import { podUsersOf } from "../spec/pod-users.ts";
import { ANNOUNCE_TO, mayGoOn } from "../supervisor/supervise.ts";
import { byHandOption } from "./by-hand.ts";
import { startAnswers } from "./guest-answers.ts";
import { startNodeControl } from "./node-control.ts";
import { ensureJoined } from "./node-join.ts";
import { writeNodeNetwork } from "./node-network.ts";
import { type NodeOverlay, startNodeOverlay } from "./node-overlay.ts";
import { startRenewals } from "./renewals.ts";
import { startRepairLoop } from "./repair-loop.ts";
import type { Closable, Parts } from "./started-parts.ts";
import { startTraces } from "./traces.ts";
import { startWayToServers } from "./way-to-servers.ts";

const KUBELET_PORT = 10_250;
const DNS_PORT = 53;

/** Starts everything of a node, in the node's network namespace or in the guest that it is. */
export async function startNode(config: ClusterConfig, parts: Parts): Promise<void> {
  const clock = systemClock();
  const paths = nodePaths(config);
  if (config.guest !== undefined) {
    const reports = process.env[ANNOUNCE_TO]!;
    await parts.start("answers", async () => startAnswers(config.dataDir, reports, clock));
    await prepareGuest(config);
  }
  for (const dir of [paths.cniConfDir, paths.sockets]) await mkdir(dir, { recursive: true });
  await startWayToServers(config, parts);
  if (config.joins !== undefined) await ensureJoined(config, clock);
  const traces = await startTraces(config, parts);
  await parts.start("node repair", async () => startNodeRepair(config, clock));
  const runtime = await parts.start("runtime", () =>
    startNodeRuntime(config, traces.asked("runtime"), clock),
  );
  await buildDemoImages(runtime.images, {
    busybox: await requireProgram("busybox"),
    init: await requireProgram("catatonit"),
  });
  await mayGoOn();
  const proxy = await parts.start("proxy", async () => {
    const client = await clientAs(config, "proxy", clock);
    const { nodeName, podCidr: clusterCidr, proxyMode: mode } = config;
    const tracer = traces.all("proxy");
    return startProxy({ client, nodeName, clusterCidr, tracer, clock, ...(mode ? { mode } : {}) });
  });
  const { controlSocket } = paths;
  await parts.start("node control", () => startNodeControl(controlSocket, runtime.images, proxy));
  const overlay = await parts.start("overlay", async () => {
    return startNodeOverlay(config, await clientAs(config, "kubelet", clock), clock);
  });
  await parts.start("dns", async () => {
    const client = await clientAs(config, "dns", clock);
    const { nodeAddress: address, clusterDomain } = config;
    return startDns({ client, address, port: DNS_PORT, clusterDomain, clock });
  });
  const policies = await parts.start("network policy", async () => startPolicies(config, clock));
  // Before the kubelet, so that its first check of the registry finds the driver.
  await startStorage(config, parts, clock);
  await parts.start("kubelet", () =>
    startNodeKubelet(config, { overlay, policies, tracer: traces.all("kubelet") }, clock),
  );
  await parts.start("renewal", () => startRenewals(config, clock));
}

/** Prepares a guest: the work that the host does for other nodes before their processes start. */
async function prepareGuest(config: ClusterConfig): Promise<void> {
  await configureGuest(nodeNetwork(config));
  if (config.cniBinDir === undefined) await installPlugins(ownPluginsDir(config));
}

function startNodeRepair(config: ClusterConfig, clock: Clock): Closable {
  const network = nodeNetwork(config);
  const repair = config.guest === undefined ? nodeRepair(network) : guestRepair(network);
  const what = "the node's rules or kernel settings";
  return startRepairLoop({ repair, what, log: logger("network"), clock });
}

async function startNodeRuntime(
  config: ClusterConfig,
  tracer: Tracer | undefined,
  clock: Clock,
): Promise<RuntimeHandle> {
  const paths = nodePaths(config);
  return startRuntime({
    socket: paths.criSocket,
    stateDir: paths.runtimeState,
    rootDir: paths.runtimeRoot,
    // Containers made by hand and cached build steps stand on the same images.
    otherRoots: [join(config.dataDir, "hand")],
    keptContent: () => keptByCache(join(paths.runtimeRoot, "images")),
    cniConfDir: paths.cniConfDir,
    cniBinDirs: [paths.cniBinDir],
    cniInvoke: nodeInvoke(),
    cgroupParent: `${nodeCgroup(config)}/sandboxes`,
    cgroups: config.cgroups ?? "machine",
    ...(await ociRuntimes()),
    byHand: byHandOption(config.byHand),
    conmon: await requireProgram("conmon"),
    pausePath: await requireProgram("catatonit"),
    registries: config.registries ?? {},
    tracer,
    clock,
  });
}

/** Enforces network policies; a guest's kernel cannot, so that pods with policies stay away. */
async function startPolicies(config: ClusterConfig, clock: Clock): Promise<NetworkPolicies> {
  const client = await clientAs(config, "kubelet", clock);
  const { nodeName, guest } = config;
  const policies =
    guest === undefined
      ? startNetworkPolicies({ client, nodeName, clock })
      : refusePolicies(client);
  return {
    ready: policies.ready,
    admit: (pod, address, hasRun) => policies.admit(pod, address, hasRun),
    release: (pod) => policies.release(pod),
    async close() {
      await policies.close();
      client.close();
    },
  };
}

interface NodeParts {
  readonly overlay: NodeOverlay;
  readonly policies: NetworkPolicies;
  readonly tracer: Tracer | undefined;
}

async function startNodeKubelet(
  config: ClusterConfig,
  { overlay, policies, tracer }: NodeParts,
  clock: Clock,
) {
  const paths = nodePaths(config);
  const files = clusterFiles(config);
  const pair = files.pair("kubelet");
  const read = (path: string) => readFile(path, "utf8");
  await mkdir(paths.staticPods, { recursive: true, mode: 0o700 });
  await mkdir(paths.kubeletRoot, { recursive: true, mode: 0o750 });
  shareMounts(paths.kubeletRoot);
  return startKubelet({
    nodeName: config.nodeName,
    nodeAddresses: [config.nodeAddress],
    client: await clientAs(config, "kubelet", clock),
    runtimeEndpoint: `unix://${paths.criSocket}`,
    rootDir: paths.kubeletRoot,
    podLogsDir: paths.podLogs,
    containerLogsDir: paths.containerLogs,
    staticPodDir: paths.staticPods,
    cgroupRoot: nodeCgroup(config),
    cgroups: config.cgroups ?? "machine",
    podUsers: podUsersOf(config),
    ...leaseOf(config),
    nodeLabels: {
      "r2k.io/cgroups": config.cgroups ?? "machine",
      ...(hasNfsDriver(config) ? { [NFS_CLIENT_LABEL]: "true" } : {}),
      [ENFORCED_LABEL]: config.guest === undefined ? "enforced" : "none",
    },
    clusterDns: [config.dnsAddress],
    clusterDomain: config.clusterDomain,
    refuseOwnNfs: config.nfsDemo ?? false,
    // Else a pod of the baseline level may make user namespaces, and reach much more of the kernel.
    seccompDefault: true,
    server: {
      listen: { host: config.nodeAddress, port: KUBELET_PORT },
      cert: await read(pair.cert),
      key: await read(pair.key),
      clientCa: await read(files.pair("ca").cert),
    },
    admitNetwork: (pod, address, hasRun) => policies.admit(pod, address, hasRun),
    releaseNetwork: (pod) => policies.release(pod),
    onPodCidrs: async ([podCidr = config.podCidr]) => {
      const backend = config.guest === undefined ? undefined : "iptables";
      await writeNodeNetwork(paths, podCidr, await overlay.mtu(), backend);
    },
    tracer,
    clock,
  });
}

/** A node that is given up sooner shows more often that it is there. */
function leaseOf({ nodeMonitorGracePeriod_ms: grace_ms }: ClusterConfig): { nodeLease_s?: number } {
  const grace_s = Math.floor((grace_ms ?? Infinity) / 1000);
  return grace_s < NODE_LEASE_S ? { nodeLease_s: grace_s } : {};
}

/** Drivers count the copies of a claim's namespace. */
const extraCreateMetadata = true;

async function startStorage(config: ClusterConfig, parts: Parts, clock: Clock): Promise<void> {
  const paths = nodePaths(config);
  const { nodeName } = config;
  await parts.start("csi driver", () =>
    startHostPathDriver({
      socket: paths.csiSocket,
      dataDir: paths.csiData,
      nodeId: config.nodeName,
      registrationDir: join(paths.kubeletRoot, "plugins_registry"),
      clock,
    }),
  );
  await parts.start("csi provisioner", async () => {
    const client = await clientAs(config, "csi-provisioner", clock);
    const driverSocket = paths.csiSocket;
    return startProvisioner({ client, driverSocket, nodeName, extraCreateMetadata, clock });
  });
  if (hasNfsDriver(config)) await startNfs(config, parts, clock);
}

/** Pods with NFS volumes select the nodes that mount them by this label. */
const NFS_CLIENT_LABEL = "r2k.io/nfs-client";

/**
 * Whether the node runs the NFS driver: a guest's kernel has an NFS client; on others it is the
 * machine's. `r2k csi-nfs` is started by hand where no server belongs to the cluster.
 */
function hasNfsDriver({ guest, nfsDemo = false }: ClusterConfig): boolean {
  return guest !== undefined || (nfsDemo && hasNfsClient());
}

async function startNfs(config: ClusterConfig, parts: Parts, clock: Clock): Promise<void> {
  const { nfsSocket: socket, kubeletRoot } = nodePaths(config);
  const { nodeName } = config;
  await parts.start("nfs driver", () =>
    startNfsDriver({
      socket,
      nodeId: nodeName,
      registrationDir: join(kubeletRoot, "plugins_registry"),
      clock,
    }),
  );
  await parts.start("nfs provisioner", async () => {
    const client = await clientAs(config, "csi-provisioner", clock);
    return startProvisioner({ client, driverSocket: socket, nodeName, extraCreateMetadata, clock });
  });
}
