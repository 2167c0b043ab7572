import { readFile } from "node:fs/promises";
import { MODE_NAMES, type ModeName } from "@raft2kube/proxy/mode-names.ts";
import { parse } from "yaml";
import { at, type Fields, type Form, refuseOthers, requireValid } from "./fields.ts";

/** The flags of `r2k proxy` that a KubeProxyConfiguration has too. */
export interface ProxyConfig {
  readonly kubeconfig?: string;
  readonly clusterCidr?: string;
  readonly proxyMode?: ModeName;
  readonly hostnameOverride?: string;
  readonly nodeportAddresses?: string;
  readonly ipvsScheduler?: string;
  readonly ipvsStrictArp?: true;
}

const FORM = {
  apiVersion: "text",
  kind: "text",
  bindAddress: "text",
  clientConnection: { kubeconfig: "text" },
  clusterCIDR: "text",
  mode: "text",
  hostnameOverride: "text",
  nodePortAddresses: "texts",
  ipvs: { scheduler: "text", strictARP: "flag" },
} as const satisfies Form;

/** Checks a KubeProxyConfiguration. Throws CommandError `CONFIG` with every fault. */
export function checkProxyConfig(what: string, value: Fields): ProxyConfig {
  refuseOthers(what, value, FORM);
  const text = (path: string) => (at(value, path) as string | undefined) || undefined;
  const mode = text("mode");
  const isMode = mode === undefined || MODE_NAMES.some((name) => name === mode);
  const address = text("bindAddress");
  requireValid(what, [
    ...(isMode ? [] : [`mode ${mode}: one of ${MODE_NAMES.join(", ")}`]),
    ...([undefined, "0.0.0.0"].includes(address) ? [] : [`bindAddress ${address}: 0.0.0.0 only`]),
  ]);
  const found = {
    kubeconfig: text("clientConnection.kubeconfig"),
    clusterCidr: text("clusterCIDR"),
    proxyMode: mode,
    hostnameOverride: text("hostnameOverride"),
    nodeportAddresses: (at(value, "nodePortAddresses") as string[] | null | undefined)?.join(","),
    ipvsScheduler: text("ipvs.scheduler"),
    ipvsStrictArp: at(value, "ipvs.strictARP") === true ? true : undefined,
  };
  return Object.fromEntries(Object.entries(found).filter(([, each]) => each)) as ProxyConfig;
}

export async function readProxyConfig(path: string): Promise<ProxyConfig> {
  return checkProxyConfig(path, parse(await readFile(path, "utf8")) as Fields);
}
