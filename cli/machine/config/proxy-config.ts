import { readFile } from "node:fs/promises";
import { MODE_NAMES } from "@raft2kube/proxy/mode-names.ts";
import { given } from "@raft2kube/std/given.ts";
import { parse } from "yaml";
import { at, type Fields, type Form, refuseOthers, requireValid } from "./fields.ts";

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

/**
 * Checks a KubeProxyConfiguration, and returns the flags of `r2k proxy` that it has. Throws
 * CommandError `CONFIG` with every fault.
 */
export function checkProxyConfig(what: string, value: Fields) {
  refuseOthers(what, value, FORM);
  const text = (path: string) => (at(value, path) as string | undefined) || undefined;
  const [mode, address = "0.0.0.0"] = [text("mode"), text("bindAddress")];
  const proxyMode = MODE_NAMES.find((name) => name === mode);
  const ranges = at(value, "nodePortAddresses") as string[] | null | undefined;
  requireValid(what, [
    ...(mode === proxyMode ? [] : [`mode ${mode}: one of ${MODE_NAMES.join(", ")}`]),
    ...(address === "0.0.0.0" ? [] : [`bindAddress ${address}: 0.0.0.0 only`]),
  ]);
  return given({
    kubeconfig: text("clientConnection.kubeconfig"),
    clusterCidr: text("clusterCIDR"),
    proxyMode,
    hostnameOverride: text("hostnameOverride"),
    nodeportAddresses: ranges?.join(",") || undefined,
    ipvsScheduler: text("ipvs.scheduler"),
    ipvsStrictArp: at(value, "ipvs.strictARP") === true ? true : undefined,
  });
}

export const readProxyConfig = async (path: string) =>
  checkProxyConfig(path, parse(await readFile(path, "utf8")) as Fields);
