import { existsSync } from "node:fs";
import { join } from "node:path";
import { freshOf } from "@raft2kube/linux/file/durable-file.ts";
import { clusterRoots } from "../spec/config.ts";

/** Where `init` and `join` write on a machine: kubeadm's places. */
export const KUBERNETES_DIR = "/etc/kubernetes";
/** The manifests before an upgrade that has not ended. */
export const UPGRADE_BACKUP_DIR = join(KUBERNETES_DIR, "tmp", "r2k-upgrade-backup");
export const MANIFESTS_DIR = join(KUBERNETES_DIR, "manifests");
export const CERTIFICATES_DIR = join(KUBERNETES_DIR, "pki");
export const KUBELET_DIR = "/var/lib/kubelet";
export const ETCD_DATA_DIR = "/var/lib/etcd";
export const KUBELET_CONFIG = join(KUBELET_DIR, "config.yaml");
export const KUBELET_FLAGS = join(KUBELET_DIR, "kubeadm-flags.env");
export const KUBELET_KUBECONFIG = join(KUBERNETES_DIR, "kubelet.conf");
export const BOOTSTRAP_KUBECONFIG = join(KUBERNETES_DIR, "bootstrap-kubelet.conf");
/** Certificate and key of the kubelet's client, which it renews itself. */
export const KUBELET_CLIENT_PEM = join(KUBELET_DIR, "pki", "kubelet-client-current.pem");

/** Places of the node agent of a machine: ours, as containerd has its own. */
export const NODE_AGENT = ((roots) => {
  const dataDir = join(roots.data, ".machine");
  const runDir = join(roots.run, ".machine");
  return {
    dataDir,
    runDir,
    logPath: join(dataDir, "logs", "machine.log"),
    runtimeRoot: join(dataDir, "runtime"),
    runtimeState: join(runDir, "runtime"),
    criSocket: join(runDir, "cri.sock"),
    criEndpoint: `unix://${join(runDir, "cri.sock")}`,
    /** Archives in it are loaded at the start. */
    imagesDir: join(dataDir, "images"),
    releaseArchive: join(dataDir, "images", "release.tar"),
    /** The build of the product that the agent which runs was started from. */
    buildFile: join(runDir, "build"),
    /** The network of all pods in flannel's form; without it another network plugin is expected. */
    netConf: join(dataDir, "net-conf.json"),
    subnetFile: join(runDir, "subnet.env"),
    cniConfDir: "/etc/cni/net.d",
    cniBinDir: "/opt/cni/bin",
    cniAddresses: join(dataDir, "cni", "networks"),
  };
})(clusterRoots(process.env));

export const CONTROL_PLANE_USERS = ["admin", "super-admin", "controller-manager", "scheduler"];

export const kubeconfigPath = (user: string) => join(KUBERNETES_DIR, `${user}.conf`);

/** The manifest of this machine that may have a member of the store. */
export function storeManifest(): string {
  const one = manifestPath("control-plane");
  return existsSync(one) || existsSync(freshOf(one)) ? one : manifestPath("etcd");
}

export const manifestPath = (component: string) => join(MANIFESTS_DIR, `${component}.yaml`);
