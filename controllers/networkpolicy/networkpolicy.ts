import type { Namespace, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { NetworkPolicy } from "@raft2kube/api/gen/networking/v1.ts";
import {
  PEER_LABEL, PEER_MANAGER, PEERS_OF_NAMESPACE_MAX, podPeers,
} from "@raft2kube/api/networking/v1/policy-peers.ts";
import { NAMESPACES, NETWORK_POLICIES, PODS } from "@raft2kube/client-kube/rest/resources.ts";
import type { ControllerContext, Running } from "../context.ts";
import { endpointChanged } from "../endpoint-pods.ts";
import { OwnSlices } from "../endpointslice/own-slices.ts";
import { MANAGED_BY, planGroups } from "../endpointslice/plan.ts";
import { byNamespace, NAMESPACE_INDEX } from "../indexes.ts";
import { UNSEEN_MS } from "../limits.ts";
import { closeAll, startLoop } from "../loop.ts";
import { isPeer, peerGroups, PeerSelection } from "./select.ts";

const ACCOUNT = "networkpolicy-controller";

/**
 * Keeps the addresses of the pods that NetworkPolicies name as peers in EndpointSlices, one set for
 * each pair of selectors in a namespace. Nodes enforce the policies by them, and need not read the
 * pods of other nodes.
 */
export function startNetworkPolicies(context: ControllerContext): Running {
  const policies = context.informers.of<NetworkPolicy>(NETWORK_POLICIES);
  const pods = context.informers.of<Pod>(PODS);
  const namespaces = context.informers.of<Namespace>(NAMESPACES);
  const slices = new OwnSlices(context, ACCOUNT, PEER_MANAGER, PEER_LABEL);
  const recorder = context.recorder(ACCOUNT, ACCOUNT);
  for (const informer of [policies, pods]) informer.index(NAMESPACE_INDEX, byNamespace);
  /** The peers of all policies, by namespace and key. */
  const peers = new Map<string, Map<string, PeerSelection>>();

  const selected = (selection: PeerSelection): Pod[] =>
    namespaces.store.list().flatMap(({ metadata: { name = "", labels } }) =>
      selection.hasNamespace(name, labels)
        ? pods.store.by(NAMESPACE_INDEX, name).filter((pod) => isPeer(pod) && selection.hasPod(pod))
        : []);

  const reconcile = async (queued: string) => {
    if (!slices.isSeen(queued)) return { again_ms: UNSEEN_MS };
    const [namespace = "", key = ""] = queued.split("/");
    const selection = peers.get(namespace)?.get(key);
    const metadata = {
      namespace,
      generateName: "networkpolicy-",
      labels: { [PEER_LABEL]: key, [MANAGED_BY]: PEER_MANAGER },
    };
    const groups = selection ? peerGroups(selected(selection), selection.peer.named) : [];
    await slices.apply(queued, planGroups({ metadata, keepHints: false }, groups, slices.of(queued)));
    if (!selection) slices.forget(queued);
  };

  const reads = [policies, pods, namespaces, slices.informer];
  const loop = startLoop(context, { queue: "network_policy", name: ACCOUNT, reads, reconcile });

  const look = ({ metadata: { namespace = "" } }: NetworkPolicy) => {
    const before = peers.get(namespace) ?? new Map<string, PeerSelection>();
    const now = new Map<string, PeerSelection>();
    for (const policy of policies.store.by(NAMESPACE_INDEX, namespace)) {
      const own = [...podPeers(policy)].filter(([key]) => !now.has(key));
      if (now.size + own.length > PEERS_OF_NAMESPACE_MAX) {
        const message = `the namespace's policies have more than ${PEERS_OF_NAMESPACE_MAX} ` +
          "different selectors of peers; those of this policy select no pods";
        recorder.record(policy, "Warning", "TooManyPeers", message);
        continue;
      }
      for (const [key, peer] of own) {
        now.set(key, before.get(key) ?? new PeerSelection(namespace, peer));
      }
    }
    if (now.size > 0) peers.set(namespace, now);
    else peers.delete(namespace);
    for (const key of now.keys()) if (!before.has(key)) loop.queue.add(`${namespace}/${key}`);
    for (const key of before.keys()) if (!now.has(key)) loop.queue.add(`${namespace}/${key}`);
  };
  policies.handle({ added: look, updated: look, deleted: look });
  const lookAt = (matches: (selection: PeerSelection) => boolean) => {
    for (const [namespace, own] of peers) {
      for (const [key, selection] of own) {
        if (matches(selection)) loop.queue.add(`${namespace}/${key}`);
      }
    }
  };
  const lookAtPods = (...states: Pod[]) => {
    const name = states[0]?.metadata.namespace ?? "";
    const labels = namespaces.store.get(name)?.metadata.labels;
    lookAt((selection) => selection.hasNamespace(name, labels) &&
      states.some((pod) => selection.hasPod(pod)));
  };
  pods.handle({
    added: lookAtPods,
    updated(pod, old) {
      if (endpointChanged(pod, old)) lookAtPods(pod, old);
    },
    deleted: lookAtPods,
  });
  const lookAtWide = () => lookAt(({ isWide }) => isWide);
  namespaces.handle({
    added: lookAtWide,
    updated(namespace, old) {
      const [now, before] = [namespace, old].map(({ metadata }) => JSON.stringify(metadata.labels));
      if (now !== before) lookAtWide();
    },
    deleted: lookAtWide,
  });
  // Also those of peers that were gone while no controller ran.
  slices.informer.handle({
    added({ metadata: { namespace = "", labels } }) {
      if (labels?.[MANAGED_BY] !== PEER_MANAGER) return;
      loop.queue.add(`${namespace}/${labels[PEER_LABEL] ?? ""}`);
    },
  });
  slices.watch((key) => loop.queue.add(key));
  return closeAll(loop, recorder);
}
