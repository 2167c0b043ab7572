import { readFile } from "node:fs/promises";
import { posix } from "node:path";
import { parseEvictionHard } from "@raft2kube/kubelet/flags.ts";
import type { KubeletOptions } from "@raft2kube/kubelet/options.ts";
import { checkTracing, type TracingConfig } from "@raft2kube/rpc/otlp/tracing.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import { isRecord } from "@raft2kube/std/record.ts";
import { parse, parseAllDocuments } from "yaml";
import { KUBELET_CONFIG } from "../layout.ts";
import { at, type Fields, type Form, type Of, refuseOthers, requireValid } from "./fields.ts";

/** The KubeletConfiguration fields that the kubelet of a machine heeds, or that have one value. */
const FORM = {
  apiVersion: "text",
  kind: "text",
  staticPodPath: "text",
  clusterDNS: "texts",
  clusterDomain: "text",
  cgroupRoot: "text",
  cgroupDriver: "text",
  address: "text",
  port: "number",
  maxPods: "number",
  podPidsLimit: "number",
  resolvConf: "text",
  seccompDefault: "flag",
  nodeLeaseDurationSeconds: "number",
  evictionHard: "values",
  imageGCHighThresholdPercent: "number",
  imageGCLowThresholdPercent: "number",
  kubeReserved: "values",
  authentication: {
    x509: { clientCAFile: "text" },
    webhook: { enabled: "flag", cacheTTL: "text" },
  },
  authorization: { mode: "text" },
  rotateCertificates: "flag",
  /** `unix:///path`: kubeadm writes it for each machine, and leaves it empty for the cluster. */
  containerRuntimeEndpoint: "text",
  healthzBindAddress: "text",
  /** 0 serves no page. */
  healthzPort: "number",
  tracing: { endpoint: "text", samplingRatePerMillion: "number" },
} as const satisfies Form;

export type KubeletConfig = Of<typeof FORM>;

/**
 * Fields that are not supported and whose default is not false or 0 (upstream's pointers): these
 * values are choices. Left out is failSwapOn, of which false is what this kubelet does.
 */
const POINTERS = (
  "cgroupsPerQOS cpuCFSQuota enableControllerAttachDetach enableDebugFlagsHandler " +
  "enableDebuggingHandlers enableProfilingHandler enableServer enableSystemLogHandler " +
  "eventRecordQPS featureGates kubeAPIQPS localStorageCapacityIsolation " +
  "makeIPTablesUtilChains memoryThrottlingFactor nodeStatusMaxImages oomScoreAdj " +
  "registerNode registryPullQPS serializeImagePulls"
).split(" ");

/** Fields of which one value is supported, with the reason. */
const ONLY: Readonly<Record<string, readonly [value: unknown, why: string]>> = {
  "authentication.webhook.enabled": [true, "bearer tokens are asked of the API"],
  "authentication.webhook.cacheTTL": ["0s", "the time that answers are kept is fixed"],
  "authorization.mode": ["Webhook", "the API decides who may call the kubelet"],
  rotateCertificates: [true, "the kubelet always renews its client certificate"],
};

/** Upstream's place of the page that kubeadm waits for. */
const HEALTHZ = { host: "127.0.0.1", port: 10_248 };

/** An absolute path without a step upwards. */
const ABSOLUTE = /^\/(?!.*\.\.)/;

/** Checks a KubeletConfiguration. Throws CommandError `CONFIG` with every fault. */
export function checkKubeletConfig(what: string, value: Fields): KubeletConfig {
  refuseOthers(what, value, FORM, POINTERS);
  requireValid(
    what,
    Object.entries(ONLY).flatMap(([path, [only, why]]) => {
      const found = at(value, path);
      return found === undefined || found === only ? [] : [`${path} ${String(found)}: ${why}`];
    }),
  );
  const { cgroupRoot, cgroupDriver = "cgroupfs" } = value;
  // As upstream's: a runtime that has a driver, as ours has cgroupfs, decides in spite of the file.
  if (!["cgroupfs", "systemd", ""].includes(String(cgroupDriver))) {
    requireValid(what, [`cgroupDriver: neither cgroupfs nor systemd: ${String(cgroupDriver)}`]);
  }
  if (cgroupRoot !== undefined && !ABSOLUTE.test(String(cgroupRoot))) {
    requireValid(what, [`cgroupRoot: not an absolute path: ${String(cgroupRoot)}`]);
  }
  requireValid(what, wrongTracing(value["tracing"]));
  return value as KubeletConfig;
}

function wrongTracing(tracing: unknown): string[] {
  if (tracing === undefined) return [];
  try {
    checkTracing(tracing as TracingConfig);
    return [];
  } catch (thrown) {
    return [`tracing.${messageOf(thrown)}`];
  }
}

/** The group that all pods are in: one of its own below the root, as upstream's. */
export function podsCgroup({ cgroupRoot = "/" }: Pick<KubeletConfig, "cgroupRoot">): string {
  return posix.join(cgroupRoot, "kubepods");
}

/** The pods' group by a kubelet's file; that of no file where it cannot be read as one. */
export function podsCgroupIn(text: string | undefined): string {
  const [document] = parseAllDocuments(text ?? "");
  const fields = document?.errors.length === 0 ? (document.toJS() as unknown) : undefined;
  const cgroupRoot = isRecord(fields) ? fields["cgroupRoot"] : undefined;
  const isRoot = typeof cgroupRoot === "string" && ABSOLUTE.test(cgroupRoot);
  return podsCgroup(isRoot ? { cgroupRoot } : {});
}

/** Reads the file of a machine's kubelet. */
export async function readKubeletConfig(path = KUBELET_CONFIG): Promise<KubeletConfig> {
  return checkKubeletConfig(path, parse(await readFile(path, "utf8")) as Fields);
}

/** The kubelet's options of its configuration. */
export function kubeletOptions(config: KubeletConfig) {
  const { evictionHard, imageGCHighThresholdPercent: high, kubeReserved } = config;
  const [host, port] = [
    config.healthzBindAddress || HEALTHZ.host,
    config.healthzPort ?? HEALTHZ.port,
  ];
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
    reserved: kubeReserved,
    healthz: port === 0 ? undefined : { host, port },
    evictionHard: thresholds === "" ? undefined : parseEvictionHard(thresholds),
    imageGc:
      high === undefined
        ? undefined
        : { highPercent: high, lowPercent: config.imageGCLowThresholdPercent ?? high - 5 },
  };
  return given(options) as Partial<KubeletOptions> &
    Pick<KubeletOptions, "clusterDns" | "clusterDomain" | "cgroupRoot">;
}
