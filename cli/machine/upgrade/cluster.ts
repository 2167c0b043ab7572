import { existsSync } from "node:fs";
import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { CONFIG_MAPS, NODES } from "@raft2kube/client-kube/rest/resources.ts";
import { isNodeReady } from "@raft2kube/controllers/node-state.ts";
import { readIfPresent } from "@raft2kube/linux/file/read-if-present.ts";
import { parse, stringify } from "yaml";
import { CommandError } from "../../terminal.ts";
import { API_LEVEL } from "../../version.ts";
import type { Fields } from "../config/fields.ts";
import { parseKubeadmConfig } from "../config/kubeadm.ts";
import { readNodeFlags } from "../config/node-flags.ts";
import { dataOf } from "../join.ts";
import { KUBELET_KUBECONFIG, manifestPath } from "../layout.ts";
import { CONTROL_PLANE_LABEL } from "../phases/files.ts";
import { CONTROL_PLANE, flagOf, ONE_PROCESS, STATIC_PODS, type StaticPod } from "../static-pods.ts";
import type { ClusterParts } from "./versions.ts";

/**
 * Reads from this machine's files the flags by which it was made, and the manifests of its static
 * pods, none on a worker. Throws CommandError `NOT_JOINED` where `init` or `join` did not run.
 */
export async function ownMachine() {
  const { hostnameOverride: nodeName, nodeIp } = await readNodeFlags();
  if (nodeName === undefined || nodeIp === undefined || !existsSync(KUBELET_KUBECONFIG)) {
    throw new CommandError("NOT_JOINED", "this machine belongs to no cluster of init and join", {
      remedy: "clusters of `r2k start` take the new release by `r2k down` and `r2k start`",
    });
  }
  const manifests = new Map<StaticPod, string>();
  for (const pod of STATIC_PODS) {
    const text = await readIfPresent(manifestPath(pod));
    if (text !== undefined) manifests.set(pod, text);
  }
  const one = manifests.get(ONE_PROCESS);
  const missing = CONTROL_PLANE.filter((pod) => !one && !manifests.has(pod)).map(manifestPath);
  // The store may be others', and no static pod.
  if (manifests.size > 0 && missing.length > 0) {
    const remedy = "put it back, or make it by r2k init phase etcd or control-plane";
    throw new CommandError("MANIFEST", `${missing.join(", ")} is not there`, { remedy });
  }
  const api = manifests.get("kube-apiserver") ?? one ?? "";
  const apiserverAdvertiseAddress = flagOf(api, "advertise-address") ?? nodeIp;
  const apiserverBindPort = flagOf(api, "secure-port") ?? "6443";
  return { flags: { nodeName, apiserverAdvertiseAddress, apiserverBindPort }, manifests };
}

/** The tag of a manifest's image. */
export const tagOf = (manifest: string) =>
  /^\s*image: .*:([^:/\s]+)$/m.exec(manifest)?.[1] ?? "unknown";

/**
 * Reads a cluster's configuration as it is stored, and the version in it; `cluster` and `kubelet`
 * are in reach of every node.
 */
export async function storedConfig(client: KubeClient, isControlPlane: boolean) {
  const text = await dataOf(client, "kubeadm-config", "ClusterConfiguration");
  const cluster = parse(text) as Fields;
  const version = String(cluster["kubernetesVersion"]);
  const kubelet = parse(await dataOf(client, "kubelet-config", "kubelet")) as Fields;
  const current = stringify({ ...cluster, kubernetesVersion: API_LEVEL });
  const config = parseKubeadmConfig(current, "kubeadm-config", !isControlPlane);
  if (!isControlPlane) return { config: { ...config, kubelet }, version };
  const maps = client.resource(CONFIG_MAPS);
  const name = { namespace: "kube-system", name: "kube-proxy" };
  const { data = {} } = (await undefinedIfNotFound(maps.get(name))) ?? {};
  const proxy = parse(data["config.conf"] ?? "{}") as Fields;
  return { config: { ...config, kubelet, proxy }, version };
}

/** The parts of a cluster whose stored configuration is of version `cluster`. */
export async function clusterParts(client: KubeClient, cluster: string): Promise<ClusterParts> {
  const server = await client.request<{ gitVersion: string }>({ method: "GET", path: "/version" });
  const { items } = await client.resource(NODES).listAll({});
  const kubelets = items.map(({ metadata: { name = "" }, status }) => {
    return [name, status?.nodeInfo?.kubeletVersion ?? ""] as const;
  });
  const planes = items.filter(({ metadata }) => CONTROL_PLANE_LABEL in (metadata.labels ?? {}));
  const unready = planes.filter((node) => !isNodeReady(node)).map(keyOf);
  return { cluster, apiServer: server.gitVersion, kubelets: new Map(kubelets), unready };
}
