import { readFile } from "node:fs/promises";
import { hostname, networkInterfaces } from "node:os";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { type KubeletOptions, startKubelet } from "@raft2kube/kubelet/main.ts";
import { parseEvictionHard, parsePodPids, parseTaint } from "@raft2kube/kubelet/flags.ts";
import { POD_PIDS_MAX } from "@raft2kube/kubelet/limits.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { Command } from "commander";
import { runPart } from "./run-part.ts";

interface Flags {
  kubeconfig?: string;
  hostnameOverride?: string;
  nodeIp?: string;
  containerRuntimeEndpoint: string;
  imageServiceEndpoint?: string;
  rootDir: string;
  podLogsDir: string;
  podManifestPath?: string;
  cgroupRoot: string;
  clusterDns: string;
  clusterDomain: string;
  resolvConf: string;
  address: string;
  port: string;
  tlsCertFile?: string;
  tlsPrivateKeyFile?: string;
  clientCaFile?: string;
  nodeLabels: string;
  registerWithTaints: string;
  maxPods: string;
  podMaxPids: string;
  seccompDefault?: true;
  evictionHard: string;
  imageGcHighThreshold: string;
  imageGcLowThreshold: string;
}

/**
 * `r2k kubelet`: the node agent alone, with upstream's flags. Without --kubeconfig: static pods
 * only.
 */
export function command(): Command {
  return new Command("kubelet")
    .description("Run the node agent (kubelet).")
    .option("--kubeconfig <file>", "how to reach the apiserver; without it only static pods run")
    .option("--hostname-override <name>", "the node's name, instead of this host's")
    .option("--node-ip <addresses>", "the node's addresses, instead of the first of an interface")
    .option(
      "--container-runtime-endpoint <address>",
      "the CRI socket",
      "unix:///run/containerd/containerd.sock",
    )
    .option("--image-service-endpoint <address>", "the CRI socket of images, when another")
    .option("--root-dir <dir>", "state of pods and plugins", "/var/lib/kubelet")
    .option("--pod-logs-dir <dir>", "logs of containers", "/var/log/pods")
    .option("--pod-manifest-path <dir>", "files of static pods")
    .option("--cgroup-root <path>", "the cgroup that all pods are in", "/kubepods")
    .option("--cluster-dns <addresses>", "name servers of pods", "")
    .option("--cluster-domain <domain>", "the cluster's domain", "cluster.local")
    .option("--resolv-conf <file>", "name servers of the node", "/etc/resolv.conf")
    .option("--address <address>", "where to serve the kubelet's API", "0.0.0.0")
    .option("--port <port>", "its port", "10250")
    .option("--tls-cert-file <file>", "its certificate; without it no API is served")
    .option("--tls-private-key-file <file>", "its key")
    .option("--client-ca-file <file>", "CA of accepted client certificates")
    .option("--node-labels <key=value,...>", "labels to register with", "")
    .option("--register-with-taints <key=value:effect,...>", "taints to register with", "")
    .option("--max-pods <n>", "pods that fit", "110")
    .option("--pod-max-pids <n>", "processes of one pod; -1: no limit", String(POD_PIDS_MAX))
    .option("--seccomp-default", "the runtime's profile for pods that name none")
    .option("--eviction-hard <signal<amount,...>", "when to evict pods", "")
    .option("--image-gc-high-threshold <percent>", "start removing unused images", "85")
    .option("--image-gc-low-threshold <percent>", "stop removing them", "80")
    .action(async (flags: Flags) => {
      const options = await optionsOf(flags);
      await runPart("kubelet", () => startKubelet(options));
    });
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
