import { readFile } from "node:fs/promises";
import { hostname, networkInterfaces } from "node:os";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { type KubeletOptions, startKubelet } from "@raft2kube/kubelet/main.ts";
import { parseEvictionHard, parsePodPids, parseTaint } from "@raft2kube/kubelet/flags.ts";
import { POD_PIDS_MAX } from "@raft2kube/kubelet/limits.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { type FlagsOf, type FlagTable, commandWith } from "../flags.ts";
import { runPart } from "./run-part.ts";

const FLAGS = {
  "--kubeconfig <file>": "how to reach the apiserver; without it only static pods run",
  "--hostname-override <name>": "the node's name, instead of this host's",
  "--node-ip <addresses>": "the node's addresses, instead of the first of an interface",
  "--container-runtime-endpoint <address>":
    ["the CRI socket", "unix:///run/containerd/containerd.sock"],
  "--image-service-endpoint <address>": "the CRI socket of images, when another",
  "--root-dir <dir>": ["state of pods and plugins", "/var/lib/kubelet"],
  "--pod-logs-dir <dir>": ["logs of containers", "/var/log/pods"],
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
  "--node-labels <key=value,...>": ["labels to register with", ""],
  "--register-with-taints <key=value:effect,...>": ["taints to register with", ""],
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
export const command = () => commandWith("kubelet", "Run the node agent (kubelet).", FLAGS, run);

async function run(flags: Flags): Promise<void> {
  const options = await optionsOf(flags);
  await runPart("kubelet", () => startKubelet(options));
}

async function optionsOf(flags: Flags): Promise<KubeletOptions> {
  const nodeName = (flags.hostnameOverride ?? hostname()).toLowerCase();
  const labels = list(flags.nodeLabels).map((pair) => pair.split("=", 2) as [string, string]);
  const server = await serverOf(flags);
  return {
    nodeName,
    nodeAddresses: flags.nodeIp ? list(flags.nodeIp) : [ownAddress()],
    ...(flags.kubeconfig
      ? { client: new KubeClient({ ...(await kubeConnection(flags.kubeconfig)) }) }
      : {}),
    runtimeEndpoint: flags.containerRuntimeEndpoint,
    ...(flags.imageServiceEndpoint ? { imageEndpoint: flags.imageServiceEndpoint } : {}),
    rootDir: flags.rootDir,
    podLogsDir: flags.podLogsDir,
    containerLogsDir: "/var/log/containers",
    ...(flags.podManifestPath ? { staticPodDir: flags.podManifestPath } : {}),
    cgroupRoot: flags.cgroupRoot,
    clusterDns: list(flags.clusterDns),
    clusterDomain: flags.clusterDomain,
    resolvConf: flags.resolvConf,
    nodeLabels: Object.fromEntries(labels),
    registerWithTaints: list(flags.registerWithTaints).map(parseTaint),
    maxPods: Number(flags.maxPods),
    podPidsLimit: parsePodPids(flags.podMaxPids),
    seccompDefault: flags.seccompDefault ?? false,
    evictionHard: parseEvictionHard(flags.evictionHard),
    imageGc: {
      highPercent: Number(flags.imageGcHighThreshold),
      lowPercent: Number(flags.imageGcLowThreshold),
    },
    ...(server ? { server } : {}),
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

function list(text: string): string[] {
  return text.split(",").filter(Boolean);
}

/** The first IPv4 address that is not loopback's. */
function ownAddress(): string {
  for (const addresses of Object.values(networkInterfaces())) {
    const found = addresses?.find(({ family, internal }) => family === "IPv4" && !internal);
    if (found) return found.address;
  }
  throw new CodedError("NO_ADDRESS", "this machine has no address but loopback", {
    remedy: "name one: --node-ip ADDRESS",
  });
}
