import { readFile } from "node:fs/promises";
import type { KubeProxyConfiguration } from "@raft2kube/api/gen/kubeproxy/v1alpha1.ts";
import { MODE_NAMES } from "@raft2kube/proxy/mode-names.ts";
import { given } from "@raft2kube/std/given.ts";
import { parse } from "yaml";
import { checked, type Fields, type Form, isOne, only } from "./fields.ts";

/** The KubeProxyConfiguration fields that the service proxy heeds, or that have one value. */
export const PROXY_FORM: Form = {
  apiVersion: "kubeproxy.config.k8s.io/v1alpha1",
  type: "kubeproxy/v1alpha1.KubeProxyConfiguration",
  supported: (
    "bindAddress clientConnection.kubeconfig clusterCIDR hostnameOverride mode " +
    "nodePortAddresses ipvs.scheduler ipvs.strictARP"
  ).split(" "),
  rules: {
    mode: [`one of ${MODE_NAMES.join(", ")}`, isOne(...MODE_NAMES)],
    ...only("0.0.0.0", "0.0.0.0 only", "bindAddress"),
  },
};

/** The flags of `r2k proxy` that a file has. Throws CommandError `CONFIG` with every fault. */
export async function readProxyConfig(path: string) {
  const value = parse(await readFile(path, "utf8")) as Fields;
  const config = checked<Partial<KubeProxyConfiguration>>(path, value, PROXY_FORM);
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
