import { existsSync } from "node:fs";
import { mkdir, open, stat } from "node:fs/promises";
import { hostname, networkInterfaces } from "node:os";
import { join } from "node:path";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { nodeInvoke } from "@raft2kube/cni/main.ts";
import { machineBounds } from "@raft2kube/cni/node/connection-bound.ts";
import { parseTaint } from "@raft2kube/kubelet/flags.ts";
import { startKubelet } from "@raft2kube/kubelet/main.ts";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { namesIn } from "@raft2kube/linux/file/names-in.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { shareMounts } from "@raft2kube/linux/mount/mount-point.ts";
import { startNetworkPolicies } from "@raft2kube/network-policy/main.ts";
import { configureLog, logger } from "@raft2kube/observe/log.ts";
import type { Tracer } from "@raft2kube/observe/trace/tracer.ts";
import { readNetConf, startOverlay } from "@raft2kube/overlay/main.ts";
import { networkText } from "@raft2kube/overlay/net-conf.ts";
import { startTracing } from "@raft2kube/rpc/otlp/tracing.ts";
import { loadArchive, loadMissing } from "@raft2kube/runtime/image/archive.ts";
import type { ImageStore } from "@raft2kube/runtime/image/store.ts";
import { startRuntime } from "@raft2kube/runtime/main.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import { Command } from "commander";
import { buildOf } from "../apply/program-image.ts";
import {
  type KubeletConfig,
  kubeletOptions,
  readKubeletConfig,
} from "../machine/config/kubelet-config.ts";
import { type NodeFlags, readNodeFlags, requireOwnRuntime } from "../machine/config/node-flags.ts";
import {
  CERTIFICATE_LOG,
  CLIENT_FILES,
  hasClient,
  obtainClient,
  startRenewal,
} from "../machine/kubelet-client.ts";
import { kubeletServer } from "../machine/kubelet-serving.ts";
import { KUBELET_CONFIG, KUBELET_DIR, KUBELET_KUBECONFIG, NODE_AGENT } from "../machine/layout.ts";
import { ociRuntimes, requireProgram } from "../preflight/programs.ts";
import { boundLog } from "../supervisor/log-file.ts";
import { writeNodeNetwork } from "./node-network.ts";
import { startRepairLoop } from "./repair-loop.ts";
import { runOwn } from "./run-own.ts";
import { runProcess, UMASK } from "./running.ts";
import type { Closable, Parts } from "./started-parts.ts";

/** `r2k machine`: what a machine of a cluster runs beside its pods; `init` and `join` start it. */
export function command(): Command {
  return new Command("machine")
    .description("The node agent of a machine: runtime, network, kubelet; started by init, join.")
    .requiredOption("--config <file>", "the KubeletConfiguration", KUBELET_CONFIG)
    .option("--obtain-certificate", "only get the kubelet's client certificate, and end")
    .action(async (flags: { config: string; obtainCertificate?: true }) => {
      process.umask(UMASK);
      const node = await nodeOf();
      if (flags.obtainCertificate) return obtainClient(node, systemClock());
      configureLog({});
      const { runDir, logPath } = NODE_AGENT;
      boundLog(logPath, systemClock({ unref: true }));
      await runProcess({ name: "machine", runDir, logPath }, async (parts) => {
        const build = buildOf("main.js");
        await start(await readKubeletConfig(flags.config), node, parts);
        await replaceFile(NODE_AGENT.buildFile, build);
        // It may end this process, which first has to be ready and supervised.
        return async () => {
          await parts.start("renewal", async () =>
            startRenewal(systemClock(), CLIENT_FILES, renew),
          );
        };
      });
    });
}

interface MachineNode extends NodeFlags {
  readonly nodeName: string;
  readonly nodeAddress: string;
}

async function nodeOf(): Promise<MachineNode> {
  const flags = await readNodeFlags();
  const nodeName = flags.hostnameOverride ?? hostname().toLowerCase();
  if (flags.nodeIp !== undefined) return { ...flags, nodeName, nodeAddress: flags.nodeIp };
  throw new CodedError("NO_NODE_IP", "the kubelet's flags have no --node-ip", {
    remedy: "r2k init phase kubelet-start, or r2k join, writes them",
  });
}

async function start(config: KubeletConfig, node: MachineNode, parts: Parts): Promise<void> {
  const clock = systemClock();
  if (config.containerRuntimeEndpoint) requireOwnRuntime(config.containerRuntimeEndpoint);
  const { runDir, criSocket, cniConfDir } = NODE_AGENT;
  for (const dir of [runDir, cniConfDir]) await mkdir(dir, { recursive: true });
  await requireClient(clock);
  const options = kubeletOptions(config);
  const { cgroupRoot } = options;
  const tracers = await startTracers(config, node.nodeName, parts);
  const runtime = await parts.start("runtime", () =>
    startMachineRuntime(cgroupRoot, tracers.runtime, clock),
  );
  await loadImages(runtime.images);
  const connect = async (userAgent: string) =>
    new KubeClient({ ...(await kubeConnection(KUBELET_KUBECONFIG)), clock, userAgent });
  if (existsSync(NODE_AGENT.netConf)) {
    const client = await connect("r2k-overlay");
    await parts.start("overlay", () => startNetwork(client, node, clock));
    await parts.start("connection bounds", async () => {
      const repair = machineBounds(networkText(await readNetConf({ file: NODE_AGENT.netConf })));
      return startRepairLoop({ repair, what: "pods' bounds", log: logger("network"), clock });
    });
  }
  const policies = await parts.start("network policy", async () => {
    const client = await connect("r2k-policy");
    return startNetworkPolicies({ client, nodeName: node.nodeName, clock });
  });
  shareMounts(KUBELET_DIR);
  await parts.start("kubelet", async () =>
    startKubelet({
      ...options,
      nodeName: node.nodeName,
      nodeAddresses: [node.nodeAddress],
      client: await connect("kubelet"),
      runtimeEndpoint: `unix://${criSocket}`,
      rootDir: KUBELET_DIR,
      podLogsDir: "/var/log/pods",
      containerLogsDir: "/var/log/containers",
      nodeLabels: node.nodeLabels,
      registerWithTaints: node.registerWithTaints.map(parseTaint),
      ...given({ server: await kubeletServer(config, node, clock.now()) }),
      admitNetwork: (pod, address, hasRun) => policies.admit(pod, address, hasRun),
      releaseNetwork: (pod) => policies.release(pod),
      tracer: tracers.kubelet,
      clock,
    }),
  );
}

/** The tracers of kubelet and runtime by the field `tracing`, with one queue for both. */
async function startTracers({ tracing }: KubeletConfig, instance: string, parts: Parts) {
  if (tracing === undefined) return {};
  const start = async () => startTracing({ name: "kubelet", instance }, tracing);
  const kubelet = await parts.start("traces", start);
  const runtime = startTracing({ name: "runtime", instance }, {}, kubelet.options.sink);
  return { kubelet, runtime };
}

async function startMachineRuntime(cgroupRoot: string, tracer: Tracer | undefined, clock: Clock) {
  return startRuntime({
    socket: NODE_AGENT.criSocket,
    stateDir: NODE_AGENT.runtimeState,
    rootDir: NODE_AGENT.runtimeRoot,
    cniConfDir: NODE_AGENT.cniConfDir,
    cniBinDirs: [NODE_AGENT.cniBinDir],
    cniInvoke: nodeInvoke(),
    cgroupParent: `${cgroupRoot}/sandboxes`,
    ...(await ociRuntimes()),
    conmon: await requireProgram("conmon"),
    pausePath: await requireProgram("catatonit"),
    tracer,
    clock,
  });
}

/** Loads the archives of the machine's folder; one that was loaded as it is is passed over. */
async function loadImages(images: ImageStore): Promise<void> {
  const { imagesDir, runtimeRoot } = NODE_AGENT;
  for (const name of (await namesIn(imagesDir)).sort()) {
    if (!name.endsWith(".tar")) continue;
    const path = join(imagesDir, name);
    const { size, mtimeMs } = await stat(path);
    const marker = join(runtimeRoot, `${name}.loaded`);
    const state = `${size} ${mtimeMs}\n`;
    if ((await readIfPresent(marker)) === state) continue;
    // A name that is in use stays with its image: an upgrade gives static pods another one.
    if (path === NODE_AGENT.releaseArchive) await loadMissing(images, path);
    else await loadArchive(images, (await open(path)).createReadStream());
    await replaceFile(marker, state);
  }
}

/** Connects this machine's pods with those of others; `client` is closed with it. */
async function startNetwork(
  client: KubeClient,
  node: MachineNode,
  clock: Clock,
): Promise<Closable> {
  const { netConf, subnetFile, cniConfDir, cniAddresses } = NODE_AGENT;
  const overlay = await startOverlay({
    client,
    nodeName: node.nodeName,
    netConf: { file: netConf },
    subnetFile,
    iface: deviceOf(node.nodeAddress),
    publicIp: node.nodeAddress,
    ipMasq: true,
    onSubnet: async ({ subnets: [subnet = ""], mtu }) => {
      // The gateway's address in its range; the plugin wants the range.
      const range = subnet.replace(/\.\d+\//, ".0/");
      await writeNodeNetwork({ cniConfDir, cniAddresses }, range, mtu);
    },
    clock,
  });
  return {
    async close() {
      await overlay.close();
      client.close();
    },
  };
}

/** The link with an address of this machine. */
function deviceOf(address: string): string {
  const found = Object.entries(networkInterfaces()).find(([, all]) => {
    return all?.some((one) => one.address === address);
  });
  if (found) return found[0];
  throw new CodedError("NO_ADDRESS", `no interface of this machine has the address ${address}`, {
    remedy: "give the address back to an interface, or r2k reset and init or join again",
  });
}

/** Gets the client certificate if there is none; another process does, which keeps no memory. */
async function requireClient(clock: Clock): Promise<void> {
  if (await hasClient(clock.now())) return;
  const { succeeded, said } = await obtain();
  if (succeeded) return;
  throw new CodedError("NOT_JOINED", `no client certificate for the kubelet: ${said}`, {
    remedy: "a token that is valid: r2k token create --print-join-command, then r2k reset and join",
  });
}

function obtain(signal?: AbortSignal) {
  return runOwn(["machine", "--config", KUBELET_CONFIG, "--obtain-certificate"], signal);
}

async function renew(signal: AbortSignal): Promise<void> {
  const { succeeded, said } = await obtain(signal);
  if (signal.aborted) return;
  if (!succeeded) throw new CodedError("RENEWAL", said);
  CERTIFICATE_LOG.info("renewed: the node agent starts again with it; pods go on");
  process.exit(0);
}
