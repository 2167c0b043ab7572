import { type Cni, createCni } from "@raft2kube/cni/lib/cni.ts";
import { loadNetwork } from "@raft2kube/cni/lib/conflist.ts";
import type { Attachment, Invoke, NetworkList, PortMapping } from "@raft2kube/cni/lib/types.ts";
import { inNetns, isNetns } from "@raft2kube/linux/namespace/netns.ts";
import { getLink, openRoute, setLink } from "@raft2kube/linux/netlink/link.ts";
import { type PodSandboxConfig, Protocol } from "@raft2kube/proto/gen/cri.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { isQuantity, valueOf } from "@raft2kube/std/quantity.ts";
import { RuntimeError } from "../errors.ts";
import {
  BANDWIDTH_BURST_MAX,
  BANDWIDTH_BURST_MIN,
  BANDWIDTH_BURST_S,
  BANDWIDTH_MAX,
  BANDWIDTH_MIN,
} from "../limits.ts";
import type { SandboxRecord } from "./record.ts";

/** The pod's interface, as every CRI runtime names it. */
export const POD_INTERFACE = "eth0";

export interface PodNetworkOptions {
  confDir: string;
  binDirs: string[];
  cacheDir: string;
  /** How plugins are called; by default each as a process. */
  invoke?: Invoke;
  /** The network of a sandbox, undefined for none; by default that of `confDir`. */
  networkOf?: (record: SandboxRecord) => NetworkList | undefined;
}

/** The network that sandboxes are attached to. */
export interface SandboxNetwork {
  attach(record: SandboxRecord, netns: string): Promise<Attached>;
  /** Again, or after the namespace is gone, is no error. */
  detach(record: SandboxRecord): Promise<void>;
  /** Releases attachments of sandboxes that no longer exist. */
  collect(sandboxes: Iterable<SandboxRecord>): Promise<void>;
  condition(): Promise<NetworkCondition>;
}

/** A sandbox's end of the network. */
export interface Attached {
  ips: string[];
  /** The network's configuration; there is none without a network. */
  network?: NetworkList;
}

/** Whether pods can get a network now, in the words of CRI's NetworkReady condition. */
export type NetworkCondition = { ready: boolean; reason: string; message: string };

const PROTOCOLS: Record<number, PortMapping["protocol"]> = {
  [Protocol.TCP]: "tcp",
  [Protocol.UDP]: "udp",
  [Protocol.SCTP]: "sctp",
};

function portMappings(config: PodSandboxConfig): PortMapping[] {
  return config.portMappings
    .filter(({ hostPort }) => hostPort > 0)
    .map(({ hostPort, containerPort, protocol, hostIp }) => {
      const name = PROTOCOLS[protocol];
      if (name === undefined) throw new RuntimeError("invalid-argument", `protocol ${protocol}`);
      return { hostPort, containerPort, protocol: name, ...(hostIp && { hostIP: hostIp }) };
    });
}

/** Annotations by which a pod bounds its traffic, with the direction's names in the capability. */
const BANDWIDTH = [
  ["kubernetes.io/ingress-bandwidth", "ingressRate", "ingressBurst"],
  ["kubernetes.io/egress-bandwidth", "egressRate", "egressBurst"],
] as const;

/**
 * Returns the capability `bandwidth` of a pod's annotations, in bits per second; undefined without
 * them. Bounds as upstream's (pkg/util/bandwidth): 1 kbit/s to 1 Pbit/s.
 */
export function bandwidthOf(
  annotations: Readonly<Record<string, string>>,
): Record<string, number> | undefined {
  const bandwidth: Record<string, number> = {};
  for (const [annotation, rate, burst] of BANDWIDTH) {
    const text = annotations[annotation];
    if (text === undefined) continue;
    const bits = isQuantity(text) ? valueOf(text) : Number.NaN;
    if (!(bits >= BANDWIDTH_MIN && bits <= BANDWIDTH_MAX)) {
      const what = `annotation ${annotation}: ${JSON.stringify(text)} is not from 1k to 1P bits`;
      throw new RuntimeError("invalid-argument", `${what} per second`);
    }
    bandwidth[rate] = bits;
    bandwidth[burst] = Math.round(
      Math.min(Math.max(bits * BANDWIDTH_BURST_S, BANDWIDTH_BURST_MIN), BANDWIDTH_BURST_MAX),
    );
  }
  return Object.keys(bandwidth).length > 0 ? bandwidth : undefined;
}

/**
 * Arguments of a sandbox's ADD and DEL (CNI conventions, K8S_POD_*). ADD has the bounds of traffic
 * too: DEL must not fail for an annotation that is invalid.
 */
function attachmentOf(record: SandboxRecord, netns: string): Attachment {
  const { name = "", namespace = "", uid = "" } = record.config.metadata ?? {};
  return {
    containerId: record.id,
    netns,
    ifName: POD_INTERFACE,
    args: {
      IgnoreUnknown: "1",
      K8S_POD_NAMESPACE: namespace,
      K8S_POD_NAME: name,
      K8S_POD_INFRA_CONTAINER_ID: record.id,
      K8S_POD_UID: uid,
    },
    capabilityArgs: { portMappings: portMappings(record.config) },
  };
}

/** The pods' network: one CNI network, from the first file of a folder that is read each time. */
export class PodNetwork implements SandboxNetwork {
  readonly #cni: Cni;
  readonly #confDir: string;
  readonly #hasNetworks: boolean;
  readonly #networkOf: (record: SandboxRecord) => Promise<NetworkList | undefined>;

  constructor(options: PodNetworkOptions) {
    const { binDirs: pluginDirs, cacheDir, invoke } = options;
    this.#cni = createCni({ pluginDirs, cacheDir, ...(invoke ? { invoke } : {}) });
    this.#confDir = options.confDir;
    this.#hasNetworks = options.networkOf !== undefined;
    const { networkOf } = options;
    this.#networkOf = networkOf ? async (record) => networkOf(record) : () => this.#load();
  }

  async #load(): Promise<NetworkList> {
    const network = await loadNetwork(this.#confDir);
    if (network) return network;
    throw new RuntimeError("unavailable", `no network config found in ${this.#confDir}`);
  }

  /**
   * Sets loopback up in a pinned namespace and attaches it to the network. Returns its addresses
   * and the network's configuration as of now, by which it is detached later.
   */
  async attach(record: SandboxRecord, netns: string): Promise<Attached> {
    const network = await this.#networkOf(record);
    inNetns(netns, () => {
      using route = openRoute();
      setLink(route, getLink(route, "lo"), { up: true });
    });
    if (network === undefined) return { ips: [] };
    const attachment = attachmentOf(record, netns);
    const bandwidth = bandwidthOf(record.config.annotations);
    const capabilityArgs = { ...attachment.capabilityArgs, ...(bandwidth && { bandwidth }) };
    const result = await this.#cni.addNetworkList(network, { ...attachment, capabilityArgs });
    const ips = (result.ips ?? []).map(({ address }) => address.split("/")[0]!);
    if (ips.length === 0) {
      await this.detach({ ...record, network });
      throw new RuntimeError("internal", `network ${network.name} gave the pod no address`);
    }
    return { ips, network };
  }

  /** Detaches a sandbox; again, or after its namespace is gone, is no error. */
  async detach(record: SandboxRecord): Promise<void> {
    if (record.netns === undefined) return;
    // One whose attachment was cut short by a kill has no record of it.
    const now = () => (this.#hasNetworks ? this.#networkOf(record) : loadNetwork(this.#confDir));
    const network = record.network ?? (await now());
    // Without a network nothing can be taken down, nor could anything have been set up by it.
    if (!network) return;
    const netns = isNetns(record.netns) ? record.netns : "";
    await this.#cni.delNetworkList(network, attachmentOf(record, netns));
  }

  /** Releases attachments of sandboxes that no longer exist. */
  async collect(sandboxes: Iterable<SandboxRecord>): Promise<void> {
    // Sandboxes with networks of their own are detached one by one.
    if (this.#hasNetworks) return;
    const network = await loadNetwork(this.#confDir);
    if (!network) return;
    const valid = [...sandboxes]
      .filter(({ netns }) => netns !== undefined)
      .map(({ id }) => ({ containerID: id, ifname: POD_INTERFACE }));
    await this.#cni.gcNetworkList(network, valid);
  }

  /** Asks the configuration and its plugins (STATUS). */
  async condition(): Promise<NetworkCondition> {
    const notReady = (why: string): NetworkCondition => ({
      ready: false,
      reason: "NetworkPluginNotReady",
      message: `Network plugin returns error: ${why}`,
    });
    try {
      const network = await loadNetwork(this.#confDir);
      if (!network) {
        return notReady(`cni plugin not initialized: no configuration in ${this.#confDir}`);
      }
      await this.#cni.statusNetworkList(network);
      return { ready: true, reason: "", message: "" };
    } catch (error) {
      return notReady(messageOf(error));
    }
  }
}
