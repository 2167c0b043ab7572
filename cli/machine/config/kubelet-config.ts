import { readFile } from "node:fs/promises";
import { posix } from "node:path";
import type { KubeletConfiguration } from "@raft2kube/api/gen/kubelet/v1beta1.ts";
import { parseEvictionHard } from "@raft2kube/kubelet/flags.ts";
import type { KubeletOptions } from "@raft2kube/kubelet/options.ts";
import { checkTracing, type TracingConfig } from "@raft2kube/rpc/otlp/tracing.ts";
import { succeeds } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import { isRecord } from "@raft2kube/std/record.ts";
import { parse, parseAllDocuments } from "yaml";
import { KUBELET_CONFIG } from "../layout.ts";
import { checked, type Fields, type Form, isOne, only } from "./fields.ts";

export type KubeletConfig = Partial<KubeletConfiguration>;

/** An absolute path without a step upwards. */
const isAbsolute = (value: unknown) => /^\/(?!.*\.\.)/.test(String(value));

const isTracing = ({ endpoint, rate }: { endpoint?: unknown; rate?: unknown }) => {
  const config = { endpoint, samplingRatePerMillion: rate } as TracingConfig;
  return succeeds(
    () => checkTracing(config),
    () => true,
  );
};

/** The KubeletConfiguration fields that the kubelet of a machine heeds, or that have one value. */
export const KUBELET_FORM: Form = {
  apiVersion: "kubelet.config.k8s.io/v1beta1",
  type: "kubelet/v1beta1.KubeletConfiguration",
  supported: (
    "staticPodPath clusterDNS clusterDomain cgroupRoot cgroupDriver address port maxPods " +
    "podPidsLimit resolvConf seccompDefault nodeLeaseDurationSeconds evictionHard kubeReserved " +
    "imageGCHighThresholdPercent imageGCLowThresholdPercent authentication authorization.mode " +
    "rotateCertificates containerRuntimeEndpoint healthzBindAddress healthzPort tracing " +
    "failSwapOn enableSystemLogQuery mergeDefaultEvictionSettings"
  ).split(" "),
  rules: {
    ...only(true, "bearer tokens are asked of the API", "authentication.webhook.enabled"),
    ...only("0s", "the time that answers are kept is fixed", "authentication.webhook.cacheTTL"),
    ...only(false, "the kubelet knows its clients", "authentication.anonymous.enabled"),
    ...only("Webhook", "the API decides who may call the kubelet", "authorization.mode"),
    ...only(true, "the kubelet always renews its client certificate", "rotateCertificates"),
    ...only(false, "a node may have swap, which pods do not get", "failSwapOn"),
    ...only(false, "not supported", "enableSystemLogQuery", "mergeDefaultEvictionSettings"),
    // As upstream's: a runtime that has a driver, as ours has cgroupfs, decides in spite of it.
    cgroupDriver: ["neither cgroupfs nor systemd", isOne("cgroupfs", "systemd")],
    cgroupRoot: ["not an absolute path", isAbsolute],
    "tracing.endpoint": ["not an address of a receiver", (endpoint) => isTracing({ endpoint })],
    "tracing.samplingRatePerMillion": ["not a rate", (rate) => isTracing({ rate })],
  },
};

/** Upstream's place of the page that kubeadm waits for; the port 0 serves none. */
const HEALTHZ = { host: "127.0.0.1", port: 10_248 };

/** Checks a KubeletConfiguration. Throws CommandError `CONFIG` with every fault. */
export const checkKubeletConfig = (what: string, value: Fields): KubeletConfig =>
  checked(what, value, KUBELET_FORM);

/** The group that all pods are in: one of its own below the root, as upstream's. */
export const podsCgroup = ({ cgroupRoot }: Pick<KubeletConfig, "cgroupRoot">): string =>
  posix.join(cgroupRoot || "/", "kubepods");

/** The pods' group by a kubelet's file; that of no file where it cannot be read as one. */
export function podsCgroupIn(text: string | undefined): string {
  const [document] = parseAllDocuments(text ?? "");
  const fields = document?.errors.length === 0 ? (document.toJS() as unknown) : undefined;
  const cgroupRoot = isRecord(fields) ? fields["cgroupRoot"] : undefined;
  const isRoot = typeof cgroupRoot === "string" && isAbsolute(cgroupRoot);
  return podsCgroup(isRoot ? { cgroupRoot } : {});
}

export async function readKubeletConfig(path = KUBELET_CONFIG): Promise<KubeletConfig> {
  return checkKubeletConfig(path, parse(await readFile(path, "utf8")) as Fields);
}

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
