import { endpointSlice } from "@raft2kube/api/discovery/v1/endpoint-slice.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { NetworkPolicy } from "@raft2kube/api/gen/networking/v1.ts";
import {
  NAMED_PORTS_OF_POD_MAX,
  PEERS_OF_NAMESPACE_MAX,
} from "@raft2kube/api/networking/v1/policy-peers.ts";
import { expect, it } from "vitest";
import { isPeer, PolicyPeers, peerGroups } from "./select.ts";

/** A policy whose rule admits the pods of so many labels. */
function policyOf(namespace: string, name: string, count: number): NetworkPolicy {
  const from = Array.from({ length: count }, (_, app) => ({
    podSelector: { matchLabels: { app: `${name}-${app}` } },
  }));
  return { metadata: { namespace, name }, spec: { podSelector: {}, ingress: [{ from }] } };
}

it("a policy of 10,000 peers selects none of them, by an event; others' peers stay", () => {
  const events: string[] = [];
  const peers = new PolicyPeers({
    record: (about, _type, reason) =>
      events.push(`${reason} ${(about as NetworkPolicy).metadata.name}`),
  });
  const [own, wide] = [policyOf("evil", "own", 3), policyOf("evil", "wide", 10_000)];
  expect(peers.set("good", [policyOf("good", "good", 2)])).toHaveLength(2);
  expect(peers.set("evil", [own, wide])).toHaveLength(3);
  expect(events).toEqual(["TooManyPeers wide"]);
  expect(peers.keys(() => true)).toHaveLength(5);
  // Of many policies those that fit together count.
  const half = PEERS_OF_NAMESPACE_MAX / 2;
  peers.set(
    "evil",
    ["a", "b", "c"].map((name) => policyOf("evil", name, half)),
  );
  expect(events).toEqual(["TooManyPeers wide", "TooManyPeers c"]);
  expect(peers.keys(() => true)).toHaveLength(2 + PEERS_OF_NAMESPACE_MAX);
});

it("a selector of many terms, which each change of a pod is compared with, counts as several", () => {
  const events: string[] = [];
  const peers = new PolicyPeers({ record: (_about, _type, reason) => events.push(reason) });
  const matchExpressions = Array.from({ length: 1_000 }, (_, at) => {
    return { key: `k${at}`, operator: "DoesNotExist" };
  });
  const large = (name: string): NetworkPolicy => {
    const from = Array.from({ length: 10 }, (_, app) => ({
      namespaceSelector: {},
      podSelector: { matchLabels: { app: `${name}-${app}` }, matchExpressions },
    }));
    return {
      metadata: { namespace: "evil", name },
      spec: { podSelector: {}, ingress: [{ from }] },
    };
  };
  peers.set("evil", ["a", "b", "c"].map(large));
  expect(events).toEqual(["TooManyPeers", "TooManyPeers"]);
  expect(peers.keys(() => true)).toHaveLength(10);
});

it("policies of a namespace that change together are read once", () => {
  const peers = new PolicyPeers({ record: () => undefined });
  let reads = 0;
  const policies = () => {
    reads++;
    return [policyOf("ns", "own", 3)];
  };
  for (let at = 0; at < 3; at++) peers.changed("ns");
  expect([1, 2].map(() => peers.take("ns", policies).length)).toEqual([3, 0]);
  expect(reads).toBe(1);
});

it("a change of one policy reads no selectors of the others", () => {
  const peers = new PolicyPeers({ record: () => undefined });
  let reads = 0;
  const { metadata, spec } = policyOf("ns", "own", 3);
  const counted = {
    metadata,
    get spec() {
      reads++;
      return spec;
    },
  };
  peers.set("ns", [counted]);
  const before = reads;
  expect(peers.set("ns", [counted, policyOf("ns", "other", 2)])).toHaveLength(2);
  expect(reads).toBe(before);
});

it("a pod of the host's network is no peer", () => {
  const pod = (hostNetwork: boolean): Pod => ({
    metadata: { namespace: "n", name: "p" },
    spec: { hostNetwork, nodeName: "node", containers: [{ name: "c", image: "i" }] },
    status: { phase: "Running", podIP: "10.0.0.1", podIPs: [{ ip: "10.0.0.1" }] },
  });
  expect([false, true].map((hostNetwork) => isPeer(pod(hostNetwork)))).toEqual([true, false]);
});

it("the ports of a pod with more names than a slice takes do not refuse the slices of a peer", () => {
  const ports = Array.from({ length: 25_000 }, (_, at) => ({ name: `p${at}`, containerPort: 80 }));
  const pod: Pod = {
    metadata: { namespace: "evil", name: "p" },
    spec: { containers: [{ name: "c", image: "i", ports }] },
    status: { podIPs: [{ ip: "10.0.0.1" }] },
  };
  const [group] = peerGroups([pod], true);
  expect(group!.ports).toHaveLength(NAMED_PORTS_OF_POD_MAX);
  const { family: addressType, ...content } = group!;
  const slice = { metadata: { namespace: "good", name: "s" }, addressType, ...content };
  expect(endpointSlice.strategy.validateCreate(slice, { now_ms: 0 })).toEqual([]);
});
