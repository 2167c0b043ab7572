import { isMirrorPod } from "@raft2kube/api/core/v1/pod/mirror.ts";
import type { ContainerPort, Node, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { claimNameOf } from "@raft2kube/client-kube/object/volumes.ts";
import { hasTerms, type PodTerms, podTerms } from "./pod-terms.ts";
import {
  type Amounts,
  addAmounts,
  amountsOf,
  podRequests,
  podRequestsForScore,
} from "./resources.ts";

/** A pod with the values that every cycle needs, computed once. */
export interface PodInfo {
  readonly pod: Pod;
  readonly requests: Amounts;
  readonly scoreRequests: Amounts;
  readonly ports: readonly HostPort[];
  /** Keys of its claims, each once. */
  readonly claims: readonly string[];
  readonly affinity: PodTerms;
}

/** A host port that a pod uses. */
export type HostPort = { ip: string; protocol: string; port: number };

const ANY_ADDRESS = "0.0.0.0";

export const podInfo = (pod: Pod): PodInfo => ({
  pod,
  requests: podRequests(pod),
  scoreRequests: podRequestsForScore(pod),
  ports: hostPorts(pod),
  claims: claimKeys(pod),
  affinity: podTerms(pod),
});

function claimKeys(pod: Pod): string[] {
  const { namespace = "" } = pod.metadata;
  const names = (pod.spec.volumes ?? []).flatMap((volume) => claimNameOf(pod, volume) ?? []);
  return [...new Set(names)].map((name) => `${namespace}/${name}`);
}

function hostPorts(pod: Pod): HostPort[] {
  const sidecars = (pod.spec.initContainers ?? []).filter((c) => c.restartPolicy === "Always");
  const ports = [...sidecars, ...pod.spec.containers].flatMap((container) => container.ports ?? []);
  return ports.flatMap(({ hostPort, hostIP, protocol }: ContainerPort) =>
    hostPort ? [{ ip: hostIP || ANY_ADDRESS, protocol: protocol ?? "TCP", port: hostPort }] : [],
  );
}

/** The addresses of host ports by protocol and number: a pod may have 50,000. */
export type PortAddresses = ReadonlyMap<string, ReadonlySet<string>>;

const portKey = ({ protocol, port }: HostPort) => `${protocol}/${port}`;

export function portAddresses(ports: readonly HostPort[]): PortAddresses {
  const addresses = new Map<string, Set<string>>();
  for (const port of ports) {
    const key = portKey(port);
    const known = addresses.get(key);
    if (known === undefined) addresses.set(key, new Set([port.ip]));
    else known.add(port.ip);
  }
  return addresses;
}

/** Whether a host port cannot be used on the same node as one of the others. */
export function portConflicts(port: HostPort, others: PortAddresses): boolean {
  const addresses = others.get(portKey(port));
  if (addresses === undefined) return false;
  return port.ip === ANY_ADDRESS || addresses.has(ANY_ADDRESS) || addresses.has(port.ip);
}

/** A node with its pods, including assumed ones, and the sums of their requests. */
export class NodeInfo {
  readonly name: string;
  readonly pods = new Map<string, PodInfo>();
  /**
   * Pods with affinity or anti-affinity terms. Not upstream's: no mirror pods, since a node makes
   * them with any terms, and could repel all pods from all nodes.
   */
  readonly podsWithTerms = new Set<PodInfo>();
  readonly requested: Amounts = new Map();
  readonly scoreRequested: Amounts = new Map();
  /** The node; undefined if only pods of it are known. */
  node: Node | undefined;
  allocatable: Amounts = new Map();
  /** Bytes by image name. */
  images = new Map<string, number>();

  constructor(name: string) {
    this.name = name;
  }

  setNode(node: Node): void {
    this.node = node;
    this.allocatable = amountsOf(node.status?.allocatable);
    this.images = new Map();
    for (const { names, sizeBytes = 0 } of node.status?.images ?? []) {
      for (const name of names) this.images.set(name, sizeBytes);
    }
  }

  get labels(): Record<string, string> {
    return this.node?.metadata.labels ?? {};
  }

  add(info: PodInfo): void {
    this.remove(info.pod);
    this.pods.set(info.pod.metadata.uid ?? "", info);
    if (hasTerms(info.affinity) && !isMirrorPod(info.pod)) this.podsWithTerms.add(info);
    addAmounts(this.requested, info.requests);
    addAmounts(this.scoreRequested, info.scoreRequests);
  }

  remove(pod: Pod): void {
    const uid = pod.metadata.uid ?? "";
    const known = this.pods.get(uid);
    if (!known) return;
    this.pods.delete(uid);
    this.podsWithTerms.delete(known);
    addAmounts(this.requested, known.requests, -1);
    addAmounts(this.scoreRequested, known.scoreRequests, -1);
  }

  /** A copy with these pods, which can be changed without changing this one. */
  withPods(pods: Iterable<PodInfo>): NodeInfo {
    const { node, allocatable, images } = this;
    const copy = Object.assign(new NodeInfo(this.name), { node, allocatable, images });
    for (const each of pods) copy.add(each);
    return copy;
  }
}
