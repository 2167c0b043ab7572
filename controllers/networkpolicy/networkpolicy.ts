import type { Namespace, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import type { NetworkPolicy } from "@raft2kube/api/gen/networking/v1.ts";
import { PEER_LABEL, PEER_MANAGER } from "@raft2kube/api/networking/v1/policy-peers.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { NAMESPACES, NETWORK_POLICIES, PODS } from "@raft2kube/client-kube/rest/resources.ts";
import type { WorkQueue } from "@raft2kube/reconcile/workqueue.ts";
import type { ControllerContext, Running } from "../context.ts";
import { endpointChanged } from "../endpoint-pods.ts";
import { OwnSlices } from "../endpointslice/own-slices.ts";
import { MANAGED_BY, planGroups } from "../endpointslice/plan.ts";
import { byNamespace, NAMESPACE_INDEX } from "../indexes.ts";
import { UNSEEN_MS } from "../limits.ts";
import { closeAll, startLoop } from "../loop.ts";
import { dnsPods, isPeer, type PeerSelection, PolicyPeers, peerGroups } from "./select.ts";

/** The name of the index of slices with the nodes' DNS. */
const DNS_INDEX = "dns";
const ACCOUNT = "networkpolicy-controller";

/**
 * Keeps the addresses of the pods that NetworkPolicies name as peers in EndpointSlices, one set for
 * each pair of selectors in a namespace. Nodes enforce the policies by them, and need not read the
 * pods of other nodes.
 */
export function startNetworkPolicies(context: ControllerContext): Running {
  const read = {
    policies: context.informers.of(NETWORK_POLICIES),
    pods: context.informers.of(PODS),
    namespaces: context.informers.of(NAMESPACES),
  };
  const slices = new OwnSlices(context, ACCOUNT, PEER_MANAGER, PEER_LABEL);
  const recorder = context.recorder(ACCOUNT, ACCOUNT);
  for (const informer of [read.policies, read.pods]) informer.index(NAMESPACE_INDEX, byNamespace);
  slices.informer.index(DNS_INDEX, (slice) => (dnsPods(slice).length > 0 ? [DNS_INDEX] : []));
  const peers = new PolicyPeers(recorder);

  const podsIn = (namespace: string): Pod[] => {
    const dns = slices.informer.store.by(DNS_INDEX, DNS_INDEX).flatMap(dnsPods);
    return [
      ...read.pods.store.by(NAMESPACE_INDEX, namespace).filter(isPeer),
      ...dns.filter(({ metadata }) => metadata.namespace === namespace),
    ];
  };
  const selected = (selection: PeerSelection): Pod[] =>
    read.namespaces.store
      .list()
      .flatMap(({ metadata: { name = "", labels } }) =>
        selection.hasNamespace(name, labels)
          ? podsIn(name).filter((pod) => selection.hasPod(pod))
          : [],
      );

  const reconcile = async (queued: string) => {
    const [namespace = "", key = ""] = queued.split("/");
    const policies = () => read.policies.store.by(NAMESPACE_INDEX, namespace);
    for (const peer of peers.take(namespace, policies)) loop.queue.add(peer);
    if (key === "") return;
    if (!slices.isSeen(queued)) return { again_ms: UNSEEN_MS };
    const selection = peers.get(namespace, key);
    const metadata = {
      namespace,
      generateName: "networkpolicy-",
      labels: { [PEER_LABEL]: key, [MANAGED_BY]: PEER_MANAGER },
    };
    const groups = selection ? peerGroups(selected(selection), selection.peer.named) : [];
    const owner = { metadata, keepHints: false };
    await slices.apply(queued, planGroups(owner, groups, slices.of(queued)));
    if (!selection) slices.forget(queued);
  };

  const reads = [...Object.values(read), slices.informer];
  const loop = startLoop(context, { queue: "network_policy", name: ACCOUNT, reads, reconcile });
  follow(loop.queue, peers, { ...read, slices });
  return closeAll(loop, recorder);
}

interface Sources {
  readonly policies: Informer<NetworkPolicy>;
  readonly pods: Informer<Pod>;
  readonly namespaces: Informer<Namespace>;
  readonly slices: OwnSlices;
}

/** Queues the peers whose pods may be others after a change, or a namespace with other policies. */
function follow(
  queue: WorkQueue,
  peers: PolicyPeers,
  { policies, pods, namespaces, slices }: Sources,
): void {
  const add = (keys: readonly string[]) => keys.forEach((key) => queue.add(key));
  const look = ({ metadata: { namespace = "" } }: NetworkPolicy) => {
    peers.changed(namespace);
    queue.add(`${namespace}/`);
  };
  policies.handle({ added: look, updated: look, deleted: look });

  const lookAtPods = (...states: Pod[]) => {
    const name = states[0]?.metadata.namespace ?? "";
    const labels = namespaces.store.get(name)?.metadata.labels;
    add(
      peers.keys(
        (selection) =>
          selection.hasNamespace(name, labels) && states.some((pod) => selection.hasPod(pod)),
      ),
    );
  };
  pods.handle({
    added: (pod) => lookAtPods(pod),
    updated(pod, old) {
      if (endpointChanged(pod, old)) lookAtPods(pod, old);
    },
    deleted: (pod) => lookAtPods(pod),
  });

  const lookAtWide = () => add(peers.keys(({ isWide }) => isWide));
  namespaces.handle({
    added: lookAtWide,
    updated(namespace, old) {
      const [now, before] = [namespace, old].map(({ metadata }) => JSON.stringify(metadata.labels));
      if (now !== before) lookAtWide();
    },
    deleted: lookAtWide,
  });

  const lookAtDns = (slice: EndpointSlice) => dnsPods(slice).forEach((pod) => lookAtPods(pod));
  slices.informer.handle({
    // A peer may have gone while no controller ran.
    added(slice) {
      const { namespace = "", labels } = slice.metadata;
      if (labels?.[MANAGED_BY] !== PEER_MANAGER) return lookAtDns(slice);
      queue.add(`${namespace}/${labels[PEER_LABEL] ?? ""}`);
    },
    updated: lookAtDns,
    deleted: lookAtDns,
  });
  slices.watch((key) => queue.add(key));
}
