import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { parseEvictionHard, parsePodPids, parseTaint } from "@raft2kube/kubelet/flags.ts";
import { POD_PIDS_MAX } from "@raft2kube/kubelet/limits.ts";
import { type Kubelet, type KubeletOptions, startKubelet } from "@raft2kube/kubelet/main.ts";
import { startTracing } from "@raft2kube/rpc/otlp/tracing.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { given } from "@raft2kube/std/given.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import type { Command } from "commander";
import { commandWith, type FlagsOf, type FlagTable } from "../flags.ts";
import { kubeletOptions, readKubeletConfig } from "../machine/config/kubelet-config.ts";
import { labelsOf, list, nodeNameOf, ownAddress } from "../machine/config/node-flags.ts";
import {
  CERTIFICATE_LOG,
  type ClientFiles,
  clientState,
  isOfNode,
  type NodeNames,
  obtainClient,
  startRenewal,
} from "../machine/kubelet-client.ts";
import { kubeletServer } from "../machine/kubelet-serving.ts";
import { CommandError } from "../terminal.ts";
import { API_LEVEL } from "../version.ts";
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

/** How long a first certificate is tried for, as upstream's, and how often. */
const BOOTSTRAP_MS = 300_000;
const BOOTSTRAP_INTERVAL_MS = 1_000;

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
  if (flags.config === undefined) {
    const options = await optionsOf(flags);
    return runPart("kubelet", () => start(options));
  }
  refuseBesideFile(command);
  const clock = systemClock();
  const config = await readKubeletConfig(flags.config);
  const isGiven = command.getOptionValueSource("containerRuntimeEndpoint") === "cli";
  const ofFile = isGiven ? undefined : config.containerRuntimeEndpoint;
  const endpoint = ofFile || flags.containerRuntimeEndpoint;
  const files = clientFilesOf(flags);
  const node = namesOf(flags);
  const { nodeName } = node;
  // Another user's kubeconfig is taken as it is.
  const isRenewed =
    flags.bootstrapKubeconfig !== undefined || (await isOfNode(files.kubeconfig, nodeName));
  const ofFileAndFlags = { ...kubeletOptions(config), runtimeEndpoint: endpoint };
  if (isRenewed && (await clientState(clock.now(), files)) === "missing") {
    const { kubeconfig: _, ...others } = flags;
    await firstClient(node, files, clock, async () =>
      startKubelet({ ...(await optionsOf(others)), ...ofFileAndFlags }),
    );
  }
  const server = await kubeletServer(config, node, clock.now());
  const tracer =
    config.tracing && startTracing({ name: "kubelet", instance: nodeName }, config.tracing);
  const options = { ...(await optionsOf(flags)), ...ofFileAndFlags, ...given({ server, tracer }) };
  await runPart("kubelet", async () => {
    const kubelet = await start(options);
    const renewal = isRenewed
      ? startRenewal(clock, files, async () => {
          await obtainClient(node, clock, files);
          CERTIFICATE_LOG.info("renewed: the kubelet ends, to be started again; pods go on");
          process.kill(process.pid, "SIGTERM");
        })
      : undefined;
    return {
      async close() {
        await renewal?.close();
        await kubelet.close();
        await tracer?.close();
      },
    };
  });
}

/** Starts the kubelet. Its client ends with it: a connection would keep the process for minutes. */
async function start(options: KubeletOptions): Promise<Pick<Kubelet, "close">> {
  const kubelet = await startKubelet(options);
  return {
    async close() {
      await kubelet.close();
      options.client?.close();
    },
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
  throw new CommandError("FLAG", `${names}: not beside --config`, {
    remedy: "write its field into the file of --config",
  });
}

function clientFilesOf({ kubeconfig, bootstrapKubeconfig, rootDir }: Flags): ClientFiles {
  if (kubeconfig === undefined) {
    throw new CommandError("FLAG", "--config needs --kubeconfig", { remedy: "give both" });
  }
  const pem = join(rootDir, "pki", "kubelet-client-current.pem");
  return { kubeconfig, bootstrap: bootstrapKubeconfig ?? kubeconfig, pem };
}

/**
 * Gets a certificate. While a node that has none yet gets no answer, its static pods run: the API
 * server can be one of them, as after `kubeadm join --control-plane`.
 */
async function firstClient(
  node: NodeNames,
  files: ClientFiles,
  clock: Clock,
  startStatic: () => Promise<Kubelet>,
): Promise<void> {
  try {
    return await obtainClient(node, clock, files);
  } catch (thrown) {
    // Without the API, the pods of a node that was one would be taken for orphans.
    if (existsSync(files.kubeconfig)) throw thrown;
    CERTIFICATE_LOG.warn("none yet: static pods run meanwhile", { err: thrown });
  }
  const statics = await startStatic();
  try {
    const obtain = () => obtainClient(node, clock, files).then(() => true);
    const limits = { clock, timeout_ms: BOOTSTRAP_MS, interval_ms: BOOTSTRAP_INTERVAL_MS };
    await waitFor("the kubelet's certificate", obtain, limits);
  } finally {
    await statics.close();
  }
}

const addressesOf = ({ nodeIp }: Flags) => (nodeIp ? list(nodeIp) : [ownAddress()]);

const namesOf = (flags: Flags): NodeNames => ({
  nodeName: nodeNameOf(flags.hostnameOverride),
  nodeAddress: addressesOf(flags)[0]!,
});

async function optionsOf(flags: Flags): Promise<KubeletOptions> {
  const { kubeconfig, imageServiceEndpoint: imageEndpoint, podManifestPath: staticPodDir } = flags;
  const connection = kubeconfig && (await kubeConnection(kubeconfig));
  const client = connection ? new KubeClient(connection) : undefined;
  return {
    nodeName: nodeNameOf(flags.hostnameOverride),
    nodeAddresses: addressesOf(flags),
    ...given({ client, imageEndpoint, staticPodDir, server: await serverOf(flags) }),
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
