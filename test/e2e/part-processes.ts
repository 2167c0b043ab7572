import type { ChildProcess } from "node:child_process";
import { createWriteStream, readFileSync } from "node:fs";
import { join } from "node:path";
import { nodeNetns } from "../../cli/apply/network.ts";
import { clusterFiles } from "../../cli/pki/identities.ts";
import { type ClusterConfig, configPath } from "../../cli/spec/config.ts";
import { nodeCgroup, nodePaths } from "../../cli/spec/paths.ts";
import { killed } from "../../testing/killed.ts";
import type { TestCluster } from "./cluster.ts";
import type { OwnHost } from "./own-host.ts";

const ROOT = join(import.meta.dirname, "../..");
const NODE = join(ROOT, "node_modules/node/bin/node");
const BUNDLE = join(ROOT, ".cache/bundle/main.js");

/** Every part of a cluster that can be a process of its own, in the order of their need. */
export const PARTS = [
  "store",
  "apiserver",
  "controllers",
  "scheduler",
  "runtime",
  "proxy",
  "dns",
  "kubelet",
  "csi-hostpath",
  "csi-provisioner",
] as const;

export type Part = (typeof PARTS)[number];

/** Parts in the node's network namespace. */
const ON_NODE: readonly Part[] = [
  "runtime",
  "proxy",
  "dns",
  "kubelet",
  "csi-hostpath",
  "csi-provisioner",
];

/** A cluster's parts, each in a process of its own, over the data of one that `r2k start` made. */
export class PartProcesses {
  readonly #host: OwnHost;
  readonly #config: ClusterConfig;
  readonly #running = new Map<Part, ChildProcess>();

  /** Takes over a cluster whose two processes have ended. */
  constructor(cluster: TestCluster) {
    const path = configPath(join(cluster.host.dir, "data", cluster.name));
    this.#host = cluster.host;
    this.#config = JSON.parse(readFileSync(path, "utf8")) as ClusterConfig;
  }

  start(part: Part): void {
    const args = [BUNDLE, part, ...flagsOf(part, this.#config)];
    const netns = `--net=${nodeNetns(this.#config)}`;
    const inNode = ON_NODE.includes(part) ? ["nsenter", netns] : [];
    const [program, ...rest] = [...inNode, NODE, ...args];
    const child = this.#host.start(program!, rest, { env: { R2K_ROOT: ROOT } });
    const log = createWriteStream(this.logPath(part), { flags: "a" });
    child.stdout!.pipe(log, { end: false });
    child.stderr!.pipe(log, { end: false });
    this.#running.set(part, child);
  }

  /** Where a part's output is. */
  logPath(part: Part): string {
    return join(this.#host.dir, `${part}.log`);
  }

  /** Kills a part, as a crash of the process would. */
  async kill(part: Part): Promise<void> {
    const child = this.#running.get(part);
    if (!child) throw new Error(`${part} was not started`);
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`${part} had ended by itself:\n${readFileSync(this.logPath(part), "utf8")}`);
    }
    await killed(child);
    this.#running.delete(part);
  }
}

/** A part's flags: the same folders, sockets and identities as in `r2k start`'s two processes. */
function flagsOf(part: Part, config: ClusterConfig): string[] {
  const paths = nodePaths(config);
  const files = clusterFiles(config);
  const ca = files.pair("ca");
  const storeSocket = `unix://${join(config.runDir, "store.sock")}`;
  const csiSocket = `unix://${paths.csiSocket}`;
  switch (part) {
    case "store":
      return ["--data-dir", join(config.dataDir, "store"), "--listen-client-urls", storeSocket];
    case "apiserver":
      return apiserverFlags(config, storeSocket);
    case "controllers":
      return [
        "--kubeconfig",
        files.kubeconfig("controller-manager"),
        "--cluster-cidr",
        config.podCidr,
        "--root-ca-file",
        ca.cert,
        "--cluster-signing-cert-file",
        ca.cert,
        "--cluster-signing-key-file",
        ca.key,
        "--leader-elect=false",
      ];
    case "scheduler":
      return ["--kubeconfig", files.kubeconfig("scheduler"), "--leader-elect=false"];
    case "runtime":
      return runtimeFlags(config);
    case "proxy":
      return [
        "--kubeconfig",
        files.kubeconfig("proxy"),
        "--hostname-override",
        config.nodeName,
        "--cluster-cidr",
        config.podCidr,
      ];
    case "dns":
      return ["--kubeconfig", files.kubeconfig("dns"), "--address", config.nodeAddress];
    case "kubelet":
      return kubeletFlags(config);
    case "csi-hostpath":
      return [
        "--endpoint",
        csiSocket,
        "--nodeid",
        config.nodeName,
        "--statedir",
        paths.csiData,
        "--registration-dir",
        join(paths.kubeletRoot, "plugins_registry"),
      ];
    case "csi-provisioner":
      return [
        "--kubeconfig",
        files.kubeconfig("csi-provisioner"),
        "--csi-address",
        csiSocket,
        "--node-deployment",
        config.nodeName,
      ];
  }
}

function runtimeFlags(config: ClusterConfig): string[] {
  const paths = nodePaths(config);
  return [
    "--listen",
    `unix://${paths.criSocket}`,
    "--root",
    paths.runtimeRoot,
    "--state",
    paths.runtimeState,
    "--cni-conf-dir",
    paths.cniConfDir,
    "--cni-bin-dir",
    paths.cniBinDir,
    "--cgroup-parent",
    `${nodeCgroup(config)}/sandboxes`,
    "--demo-images",
  ];
}

function apiserverFlags(config: ClusterConfig, storeSocket: string): string[] {
  const files = clusterFiles(config);
  const serving = files.pair("apiserver");
  const toKubelets = files.pair("apiserver-kubelet-client");
  return [
    "--etcd-servers",
    storeSocket,
    "--bind-address",
    "0.0.0.0",
    "--secure-port",
    String(config.apiPort),
    "--advertise-address",
    config.hostAddress,
    "--tls-cert-file",
    serving.cert,
    "--tls-private-key-file",
    serving.key,
    "--client-ca-file",
    files.pair("ca").cert,
    "--service-account-issuer",
    `https://kubernetes.default.svc.${config.clusterDomain}`,
    "--service-account-signing-key-file",
    join(files.pkiDir, "sa.key"),
    "--service-account-key-file",
    join(files.pkiDir, "sa.pub"),
    "--service-cluster-ip-range",
    config.serviceCidr,
    "--kubelet-client-certificate",
    toKubelets.cert,
    "--kubelet-client-key",
    toKubelets.key,
    "--kubelet-certificate-authority",
    files.pair("ca").cert,
  ];
}

function kubeletFlags(config: ClusterConfig): string[] {
  const paths = nodePaths(config);
  const files = clusterFiles(config);
  const serving = files.pair("kubelet");
  return [
    "--kubeconfig",
    files.kubeconfig("kubelet"),
    "--hostname-override",
    config.nodeName,
    "--node-ip",
    config.nodeAddress,
    "--address",
    config.nodeAddress,
    "--container-runtime-endpoint",
    `unix://${paths.criSocket}`,
    "--root-dir",
    paths.kubeletRoot,
    "--pod-logs-dir",
    paths.podLogs,
    "--cgroup-root",
    nodeCgroup(config),
    "--cluster-dns",
    config.dnsAddress,
    "--cluster-domain",
    config.clusterDomain,
    "--tls-cert-file",
    serving.cert,
    "--tls-private-key-file",
    serving.key,
    "--client-ca-file",
    files.pair("ca").cert,
  ];
}
