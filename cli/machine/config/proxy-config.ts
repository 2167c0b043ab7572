import { readFile } from "node:fs/promises";
import type { KubeProxyConfiguration } from "@raft2kube/api/gen/kubeproxy/v1alpha1.ts";
import { MODE_NAMES } from "@raft2kube/proxy/mode-names.ts";
import { given } from "@raft2kube/std/given.ts";
import { parse } from "yaml";
import { checked, type Fields, type Rules } from "./fields.ts";

const KIND = "KubeProxyConfiguration";
export const PROXY_RULES: Rules = { mode: [`one of ${MODE_NAMES.join(", ")}`, MODE_NAMES] };

/** The flags of `r2k proxy` that a file has. Throws CommandError `CONFIG` with every fault. */
export async function readProxyConfig(path: string) {
  const value = parse(await readFile(path, "utf8")) as Fields;
  const config = checked<Partial<KubeProxyConfiguration>>(path, value, KIND, PROXY_RULES);
  const { clientConnection, ipvs, nodePortAddresses } = config;
  return given({
    kubeconfig: clientConnection?.kubeconfig || undefined,
    clusterCidr: config.clusterCIDR || undefined,
    proxyMode: MODE_NAMES.find((name) => name === config.mode),
    hostnameOverride: config.hostnameOverride || undefined,
    nodeportAddresses: nodePortAddresses?.join(",") || undefined,
    ipvsScheduler: ipvs?.scheduler || undefined,
    ipvsStrictArp: ipvs?.strictARP || undefined,
  });
}
