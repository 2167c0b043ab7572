import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { ipv4Of, namedPorts, type PodPeer } from "@raft2kube/api/networking/v1/policy-peers.ts";
import { type LabelTerms, matchesLabels, termsOf } from "@raft2kube/api/selector.ts";
import { canServe } from "../endpoint-pods.ts";
import { type EndpointGroup, groupKey } from "../endpointslice/desired.ts";

type Labels = Readonly<Record<string, string>> | undefined;

/** A peer whose selectors are read once. */
export class PeerSelection {
  readonly peer: PodPeer;
  readonly #namespace: string;
  readonly #pods: LabelTerms;
  readonly #namespaces: LabelTerms | null;

  /** `namespace` is the policy's. */
  constructor(namespace: string, peer: PodPeer) {
    this.peer = peer;
    this.#namespace = namespace;
    this.#pods = termsOf(peer.podSelector) ?? [];
    this.#namespaces = termsOf(peer.namespaceSelector);
  }

  /** Whether its pods can be in other namespaces than the policy's. */
  get isWide(): boolean {
    return this.#namespaces !== null;
  }

  hasNamespace(name: string, labels: Labels): boolean {
    return this.#namespaces ? matchesLabels(this.#namespaces, labels) : name === this.#namespace;
  }

  hasPod({ metadata }: Pod): boolean {
    return matchesLabels(this.#pods, metadata.labels);
  }
}

/**
 * Whether policies can select a pod as a peer: it has an address of its own. Mirror pods are none,
 * which a node makes with any labels.
 */
export function isPeer(pod: Pod): boolean {
  return canServe(pod) && pod.spec.hostNetwork !== true;
}

const SERVICE_NAME = "kubernetes.io/service-name";
const DNS = { namespace: "kube-system", service: "kube-dns", labels: { "k8s-app": "kube-dns" } };

/**
 * Returns the nodes' DNS as pods: each node answers its pods itself. Users' policies admit queries
 * by the labels that DNS pods have elsewhere.
 */
export function dnsPods({ metadata, endpoints, ports = [] }: EndpointSlice): Pod[] {
  const { namespace, labels = {}, uid } = metadata;
  if (namespace !== DNS.namespace || labels[SERVICE_NAME] !== DNS.service) return [];
  const served = ports.map(({ name, protocol, port = 0 }) =>
    ({ name, protocol, containerPort: port }));
  const own = (endpoints ?? []).filter(({ targetRef }) => !targetRef);
  return own.map(({ addresses: [ip = ""] }) => ({
    metadata: { namespace, name: `dns-${ip}`, uid, labels: DNS.labels },
    spec: { containers: [{ name: "dns", image: "", ports: served }] },
    status: { podIPs: [{ ip }] },
  }));
}

/** Returns the pods' addresses in groups of the same named ports; `named`: whether to ask. */
export function peerGroups(pods: readonly Pod[], named: boolean): EndpointGroup[] {
  const groups = new Map<string, EndpointGroup>();
  for (const pod of pods) {
    const ports = named ? namedPorts(pod) : [];
    const address = ipv4Of(pod);
    if (address === undefined) continue;
    const key = groupKey("IPv4", ports);
    const group: EndpointGroup = groups.get(key) ?? { family: "IPv4", ports, endpoints: [] };
    groups.set(key, group);
    const { uid } = pod.metadata;
    group.endpoints.push({ addresses: [address], targetRef: { kind: "Pod", uid } });
  }
  return [...groups.values()];
}
