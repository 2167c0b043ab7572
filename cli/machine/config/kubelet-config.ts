import { readFile } from "node:fs/promises";
import { posix } from "node:path";
import type { KubeletConfiguration } from "@raft2kube/api/gen/kubelet/v1beta1.ts";
import { parseEvictionHard } from "@raft2kube/kubelet/flags.ts";
import type { KubeletOptions } from "@raft2kube/kubelet/options.ts";
import { checkTracing } from "@raft2kube/rpc/otlp/tracing.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import { parse, parseDocument } from "yaml";
import { KUBELET_CONFIG } from "../layout.ts";
import { checked, type Fields, requireValid } from "./fields.ts";

export type KubeletConfig = Partial<KubeletConfiguration>;

/** Upstream's place of the page that kubeadm waits for; the port 0 serves none. */
const HEALTHZ = { host: "127.0.0.1", port: 10_248 };

/** Checks a KubeletConfiguration. Throws CommandError `CONFIG` with every fault. */
export function checkKubeletConfig(what: string, value: Fields): KubeletConfig {
  const config = checked<KubeletConfig>(what, value, "KubeletConfiguration");
  try {
    if (config.tracing) checkTracing(config.tracing);
  } catch (thrown) {
    requireValid(what, [`tracing.${messageOf(thrown)}`]);
  }
  return config;
}

/** The group that all pods are in: one of its own below the root, as upstream's. */
export const podsCgroup = ({ cgroupRoot }: Pick<KubeletConfig, "cgroupRoot">): string =>
  posix.join(cgroupRoot || "/", "kubepods");

/** The pods' group by a kubelet's file; that of no file where it cannot be read as one. */
export function podsCgroupIn(text = ""): string {
  const cgroupRoot = parseDocument(text).getIn(["cgroupRoot"]);
  const isRoot = typeof cgroupRoot === "string" && /^\/(?!.*\.\.)/.test(cgroupRoot);
  return podsCgroup(isRoot ? { cgroupRoot } : {});
}

export async function readKubeletConfig(path = KUBELET_CONFIG): Promise<KubeletConfig> {
  return checkKubeletConfig(path, parse(await readFile(path, "utf8")) as Fields);
}

export function kubeletOptions(config: KubeletConfig) {
  const { evictionHard, imageGCHighThresholdPercent: high } = config;
  const port = config.healthzPort ?? HEALTHZ.port;
  const thresholds = Object.entries(evictionHard ?? {})
    .map((pair) => pair.join("<"))
    .join(",");
  const options = {
    staticPodDir: config.staticPodPath,
    clusterDns: config.clusterDNS ?? [],
    clusterDomain: config.clusterDomain ?? "cluster.local",
    cgroupRoot: podsCgroup(config),
    resolvConf: config.resolvConf,
    maxPods: config.maxPods,
    podPidsLimit: config.podPidsLimit,
    seccompDefault: config.seccompDefault,
    nodeLease_s: config.nodeLeaseDurationSeconds,
    reserved: config.kubeReserved,
    healthz: port === 0 ? undefined : { host: config.healthzBindAddress || HEALTHZ.host, port },
    evictionHard: thresholds === "" ? undefined : parseEvictionHard(thresholds),
    imageGc:
      high === undefined
        ? undefined
        : { highPercent: high, lowPercent: config.imageGCLowThresholdPercent ?? high - 5 },
  };
  return given(options) as Partial<KubeletOptions> &
    Pick<KubeletOptions, "clusterDns" | "clusterDomain" | "cgroupRoot">;
}
