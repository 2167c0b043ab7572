import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import type { NetworkPolicy } from "@raft2kube/api/gen/networking/v1.ts";
import {
  ipv4Of,
  namedPorts,
  PEERS_OF_NAMESPACE_MAX,
  type PodPeer,
  peerCost,
  podPeers,
} from "@raft2kube/api/networking/v1/policy-peers.ts";
import { type LabelTerms, matchesLabels, termsOf } from "@raft2kube/api/selector.ts";
import type { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
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

/** A peer of a policy, and what it counts. */
type KnownPeer = { readonly key: string; readonly peer: PodPeer; readonly cost: number };

const knownPeers = (policy: NetworkPolicy): KnownPeer[] =>
  [...podPeers(policy)].map(([key, peer]) => ({ key, peer, cost: peerCost(peer) }));

/** The peers of all policies, by namespace and key. */
export class PolicyPeers {
  readonly #peers = new Map<string, Map<string, PeerSelection>>();
  /** The peers of each policy: at a change of one all of its namespace are asked for theirs. */
  readonly #known = new WeakMap<NetworkPolicy, readonly KnownPeer[]>();
  readonly #changed = new Set<string>();
  readonly #recorder: Pick<EventRecorder, "record">;

  constructor(recorder: Pick<EventRecorder, "record">) {
    this.#recorder = recorder;
  }

  get(namespace: string, key: string): PeerSelection | undefined {
    return this.#peers.get(namespace)?.get(key);
  }

  /** Notes that policies of a namespace have changed: all of them are read at the next `take`. */
  changed(namespace: string): void {
    this.#changed.add(namespace);
  }

  /** Returns the keys of a namespace's peers that are new or gone since the last call. */
  take(namespace: string, policies: () => readonly NetworkPolicy[]): string[] {
    return this.#changed.delete(namespace) ? this.set(namespace, policies()) : [];
  }

  /** Sets the policies of a namespace; returns the keys of peers that are new or gone. */
  set(namespace: string, policies: readonly NetworkPolicy[]): string[] {
    const before = this.#peers.get(namespace) ?? new Map<string, PeerSelection>();
    const now = new Map<string, PeerSelection>();
    let cost = 0;
    for (const policy of policies) {
      const all = this.#known.get(policy) ?? knownPeers(policy);
      this.#known.set(policy, all);
      const isOver = all.length > PEERS_OF_NAMESPACE_MAX;
      const own = isOver ? [] : all.filter(({ key }) => !now.has(key));
      const more = own.reduce((sum, each) => sum + each.cost, 0);
      if (isOver || cost + more > PEERS_OF_NAMESPACE_MAX) {
        const message =
          `the namespace's policies have more than ${PEERS_OF_NAMESPACE_MAX} ` +
          "different selectors of peers (one of many terms counts as several); " +
          "those of this policy select no pods";
        this.#recorder.record(policy, "Warning", "TooManyPeers", message);
        continue;
      }
      cost += more;
      for (const { key, peer } of own) {
        now.set(key, before.get(key) ?? new PeerSelection(namespace, peer));
      }
    }
    if (now.size > 0) this.#peers.set(namespace, now);
    else this.#peers.delete(namespace);
    const isOther = (key: string) => now.has(key) !== before.has(key);
    return [...now.keys(), ...before.keys()].filter(isOther).map((key) => `${namespace}/${key}`);
  }

  /** Returns the keys of the peers that `matches` holds for. */
  keys(matches: (selection: PeerSelection) => boolean): string[] {
    return [...this.#peers].flatMap(([namespace, own]) =>
      [...own].flatMap(([key, selection]) => (matches(selection) ? [`${namespace}/${key}`] : [])),
    );
  }
}

/**
 * Whether policies can select a pod as a peer: it has an address of its own. Mirror pods are none,
 * which a node makes with any labels.
 */
export const isPeer = (pod: Pod): boolean =>
  canServe(pod, () => undefined) && pod.spec.hostNetwork !== true;

const SERVICE_NAME = "kubernetes.io/service-name";
const DNS = { namespace: "kube-system", service: "kube-dns", labels: { "k8s-app": "kube-dns" } };

/**
 * Returns the nodes' DNS as pods: each node answers its pods itself. Users' policies admit queries
 * by the labels that DNS pods have elsewhere.
 */
export function dnsPods({ metadata, endpoints, ports = [] }: EndpointSlice): Pod[] {
  const { namespace, labels = {}, uid } = metadata;
  if (namespace !== DNS.namespace || labels[SERVICE_NAME] !== DNS.service) return [];
  const served = ports.map(({ name, protocol, port = 0 }) => ({
    name,
    protocol,
    containerPort: port,
  }));
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
