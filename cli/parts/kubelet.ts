import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { parseEvictionHard, parsePodPids, parseTaint } from "@raft2kube/kubelet/flags.ts";
import { POD_PIDS_MAX } from "@raft2kube/kubelet/limits.ts";
import { type KubeletOptions, startKubelet } from "@raft2kube/kubelet/main.ts";
import { startTracing } from "@raft2kube/rpc/otlp/tracing.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { given } from "@raft2kube/std/given.ts";
import type { Command } from "commander";
import { commandWith, type FlagsOf, type FlagTable } from "../flags.ts";
import { kubeletOptions, readKubeletConfig } from "../machine/config/kubelet-config.ts";
import { labelsOf, list, nodeNameOf, ownAddress } from "../machine/config/node-flags.ts";
import {
  CERTIFICATE_LOG,
  hasClient,
  isOfNode,
  obtainClient,
  startRenewal,
} from "../machine/kubelet-client.ts";
import { kubeletServer } from "../machine/kubelet-serving.ts";
import { CommandError } from "../terminal.ts";
import { API_LEVEL } from "../version.ts";
import { firstClient } from "./first-client.ts";
import { runPart } from "./run-part.ts";

/** Flags that differ from machine to machine; a file has the others. */
const OF_MACHINE = {
  "--config <file>": "a KubeletConfiguration; flags for what it has are refused beside it",
  "--bootstrap-kubeconfig <file>": "by whose token --kubeconfig is made where it has ended",
  "--kubeconfig <file>": "how to reach the apiserver; without it only static pods run",
  "--hostname-override <name>": "the node's name, instead of this host's",
  "--node-ip <addresses>": "the node's addresses, instead of the first of an interface",
  "--container-runtime-endpoint <address>": [
    "the CRI socket, also instead of the file's",
    "unix:///run/containerd/containerd.sock",
  ],
  "--image-service-endpoint <address>": "the CRI socket of images, when another",
  "--root-dir <dir>": ["state of pods and plugins", "/var/lib/kubelet"],
  "--pod-logs-dir <dir>": ["logs of containers", "/var/log/pods"],
  "--node-labels <key=value,...>": ["labels to register with", ""],
  "--register-with-taints <key=value:effect,...>": ["taints to register with", ""],
} as const satisfies FlagTable;

const FLAGS = {
  ...OF_MACHINE,
  "--pod-manifest-path <dir>": "files of static pods",
  "--cgroup-root <path>": ["the cgroup that all pods are in", "/kubepods"],
  "--cluster-dns <addresses>": ["name servers of pods", ""],
  "--cluster-domain <domain>": ["the cluster's domain", "cluster.local"],
  "--resolv-conf <file>": ["name servers of the node", "/etc/resolv.conf"],
  "--address <address>": ["where to serve the kubelet's API", "0.0.0.0"],
  "--port <port>": ["its port", "10250"],
  "--tls-cert-file <file>": "its certificate; without it no API is served",
  "--tls-private-key-file <file>": "its key",
  "--client-ca-file <file>": "CA of accepted client certificates",
  "--max-pods <n>": ["pods that fit", "110"],
  "--pod-max-pids <n>": ["processes of one pod; -1: no limit", String(POD_PIDS_MAX)],
  "--seccomp-default": "the runtime's profile for pods that name none",
  "--eviction-hard <signal<amount,...>": ["when to evict pods", ""],
  "--image-gc-high-threshold <percent>": ["start removing unused images", "85"],
  "--image-gc-low-threshold <percent>": ["stop removing them", "80"],
} as const satisfies FlagTable;

type Flags = FlagsOf<typeof FLAGS>;

/**
 * `r2k kubelet`: the node agent alone, with upstream's flags. Without --kubeconfig: static pods
 * only.
 */
export const command = () =>
  commandWith("kubelet", "Run the node agent (kubelet).", FLAGS, run).version(
    `Kubernetes ${API_LEVEL}`,
    "--version",
    "upstream's form of the version",
  );

async function run(flags: Flags, command: Command): Promise<void> {
  const { options, renewal: startRenewing } =
    flags.config === undefined
      ? { options: await optionsOf(flags) }
      : await withFile(flags.config, flags, command);
  const connection = flags.kubeconfig && (await kubeConnection(flags.kubeconfig));
  const client = connection ? new KubeClient(connection) : undefined;
  await runPart("kubelet", async () => {
    const kubelet = await startKubelet({ ...options, ...given({ client }) });
    const renewal = startRenewing?.();
    return {
      async close() {
        await renewal?.close();
        await kubelet.close();
        // A connection would keep the process for minutes.
        client?.close();
        await options.tracer?.close();
      },
    };
  });
}

/** The options by the file of --config, and the renewal of the client's certificate, got first. */
async function withFile(path: string, flags: Flags, command: Command) {
  refuseBesideFile(command);
  const clock = systemClock();
  const config = await readKubeletConfig(path);
  const { kubeconfig, bootstrapKubeconfig: bootstrap } = flags;
  if (kubeconfig === undefined) {
    throw new CommandError("FLAG", "--config needs --kubeconfig", { remedy: "give both" });
  }
  const pem = join(flags.rootDir, "pki", "kubelet-client-current.pem");
  const files = { kubeconfig, bootstrap: bootstrap ?? kubeconfig, pem };
  const byFlags = await optionsOf(flags);
  const { nodeName } = byFlags;
  const node = { nodeName, nodeAddress: byFlags.nodeAddresses[0]! };
  const obtain = (signal?: AbortSignal) => obtainClient(node, clock, files, signal);
  const isGiven = command.getOptionValueSource("containerRuntimeEndpoint") === "cli";
  const ofFile = isGiven ? undefined : config.containerRuntimeEndpoint;
  const runtimeEndpoint = ofFile || flags.containerRuntimeEndpoint;
  const options = { ...byFlags, ...kubeletOptions(config), runtimeEndpoint };
  // Another user's kubeconfig is taken as it is.
  const isRenewed = bootstrap !== undefined || (await isOfNode(kubeconfig, nodeName));
  if (isRenewed && !(await hasClient(clock.now(), kubeconfig))) {
    await firstClient(obtain, clock, kubeconfig, () => startKubelet(options));
  }
  const server = await kubeletServer(config, node, clock.now());
  const tracer =
    config.tracing && startTracing({ name: "kubelet", instance: nodeName }, config.tracing);
  const renew = async (signal: AbortSignal) => {
    await obtain(signal);
    CERTIFICATE_LOG.info("renewed: the kubelet ends, to be started again; pods go on");
    process.kill(process.pid, "SIGTERM");
  };
  return {
    options: { ...options, ...given({ server, tracer }) },
    ...(isRenewed && { renewal: () => startRenewal(clock, files, renew) }),
  };
}

/** Throws CommandError `FLAG` for flags that set what a file sets. */
function refuseBesideFile(command: Command): void {
  const ofMachine = Object.keys(OF_MACHINE).map((form) => form.split(" ")[0]);
  const others = command.options.filter((option) => {
    const isGiven = command.getOptionValueSource(option.attributeName()) === "cli";
    return isGiven && !ofMachine.includes(option.long ?? undefined);
  });
  if (others.length === 0) return;
  const names = others.map(({ long }) => long).join(", ");
  const remedy = "write its field into the file of --config";
  throw new CommandError("FLAG", `${names}: not beside --config`, { remedy });
}

async function optionsOf(flags: Flags): Promise<KubeletOptions> {
  const { imageServiceEndpoint: imageEndpoint, podManifestPath: staticPodDir } = flags;
  return {
    nodeName: nodeNameOf(flags.hostnameOverride),
    nodeAddresses: flags.nodeIp ? list(flags.nodeIp) : [ownAddress()],
    ...given({ imageEndpoint, staticPodDir, server: await serverOf(flags) }),
    runtimeEndpoint: flags.containerRuntimeEndpoint,
    rootDir: flags.rootDir,
    podLogsDir: flags.podLogsDir,
    containerLogsDir: "/var/log/containers",
    cgroupRoot: flags.cgroupRoot,
    clusterDns: list(flags.clusterDns),
    clusterDomain: flags.clusterDomain,
    resolvConf: flags.resolvConf,
    nodeLabels: labelsOf(list(flags.nodeLabels)),
    registerWithTaints: list(flags.registerWithTaints).map(parseTaint),
    maxPods: Number(flags.maxPods),
    podPidsLimit: parsePodPids(flags.podMaxPids),
    seccompDefault: flags.seccompDefault ?? false,
    evictionHard: parseEvictionHard(flags.evictionHard),
    imageGc: {
      highPercent: Number(flags.imageGcHighThreshold),
      lowPercent: Number(flags.imageGcLowThreshold),
    },
  };
}

async function serverOf(flags: Flags): Promise<KubeletOptions["server"]> {
  const { tlsCertFile, tlsPrivateKeyFile, clientCaFile, address, port } = flags;
  if (!tlsCertFile || !tlsPrivateKeyFile || !clientCaFile) return undefined;
  const read = (file: string) => readFile(file, "utf8");
  return {
    listen: { host: address, port: Number(port) },
    cert: await read(tlsCertFile),
    key: await read(tlsPrivateKeyFile),
    clientCa: await read(clientCaFile),
  };
}
