import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { endpointsOf } from "@raft2kube/proxy/plan/endpoints.ts";
import { keyOf, type Target } from "@raft2kube/proxy/plan/model.ts";
import { type StaleFlow, staleFlows } from "@raft2kube/proxy/plan/stale-flows.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { endpoints, SERVICE, webPort } from "../proxy/ports.ts";

const HERE = { nodeName: "n1", zone: "a" };

interface Pod {
  readonly node?: string;
  readonly conditions?: NonNullable<EndpointSlice["endpoints"]>[number]["conditions"];
  readonly forZones?: readonly string[];
  readonly forNodes?: readonly string[];
}
const LEAVING: Pod["conditions"] = { ready: false, serving: true, terminating: true };
const GONE: Pod["conditions"] = { ready: false, serving: false, terminating: true };

function sliceOf(pods: readonly Pod[]): EndpointSlice {
  const names = (list: readonly string[] = []) => list.map((name) => ({ name }));
  return {
    metadata: { namespace: "shop", name: "web-1" },
    addressType: "IPv4",
    ports: [{ name: "http", port: 8080, protocol: "TCP" }],
    endpoints: pods.map(({ node = "n2", conditions = {}, forZones, forNodes }, at) => ({
      addresses: [`10.244.0.${at + 1}`],
      nodeName: node,
      conditions,
      hints: { forZones: names(forZones), forNodes: names(forNodes) },
    })),
  };
}

/** Last parts of the addresses that a client on node n1, in zone a, may be sent to. */
function chosen(pods: readonly Pod[]): { all: string; local: string } {
  const found = endpointsOf([sliceOf(pods)], { name: "http", protocol: "TCP" }, HERE);
  const text = (targets: typeof found.allEndpoints) =>
    targets.map(({ address }) => address.split(".").at(-1)).join() || "none";
  return { all: text(found.allEndpoints), local: text(found.localEndpoints) };
}

interface Case {
  readonly when: string;
  readonly pods: readonly Pod[];
  readonly all: string;
  readonly local?: string;
  readonly why: string;
}

function judgeCases(cases: readonly Case[]): void {
  for (const { when, pods, all, local = "none", why } of cases) {
    const found = chosen(pods);
    judge(found.all === all && found.local === local, {
      when,
      expected: `of all nodes ${all}, of this node ${local}`,
      happened: `of all nodes ${found.all}, of this node ${found.local}`,
      why,
    });
  }
}

check("plan: connections go to ready endpoints, to serving ones that terminate if none is", () =>
  judgeCases([
    {
      when: "endpoint 1 is ready, on this node; endpoint 2 is not",
      pods: [{ node: "n1" }, { conditions: { ready: false } }],
      all: "1",
      local: "1",
      why: "a pod that is not ready would answer with errors or not at all",
    },
    {
      when: "endpoint 1 is ready, endpoint 2 terminates and still serves",
      pods: [{}, { conditions: LEAVING }],
      all: "1",
      why: "a connection to a pod that is about to end is cut off in its middle",
    },
    {
      when: "endpoint 1 terminates and serves, endpoint 2 terminates and does not",
      pods: [{ node: "n1", conditions: LEAVING }, { conditions: GONE }],
      all: "1",
      local: "1",
      why: "during a rolling update all pods of a node may terminate at once (KEP-1669)",
    },
    {
      when: "endpoint 1 is ready on another node, endpoint 2 terminates and serves on this one",
      pods: [{}, { node: "n1", conditions: LEAVING }],
      all: "1",
      local: "2",
      why: "for a policy Local the rule holds among the endpoints of this node alone",
    },
  ]),
);

const ZONES = [{ forZones: ["a"] }, { forZones: ["b"] }];

check("plan: hints keep traffic near, unless an endpoint has none", () =>
  judgeCases([
    {
      when: "endpoint 1 is hinted for zone a, endpoint 2 for zone b; this node is in zone a",
      pods: ZONES,
      all: "1",
      why: "traffic between zones is slower and is paid for (topology hints)",
    },
    {
      when: "a third endpoint has no hint",
      pods: [...ZONES, {}],
      all: "1,2,3",
      why: "the hints are being written: by half of them a zone would get no endpoint or too few",
    },
    {
      when: "no endpoint is hinted for zone a",
      pods: [{ forZones: ["b"] }, { forZones: ["c"] }],
      all: "1,2",
      why: "a Service without an endpoint for this zone must not be without endpoints here",
    },
    {
      when: "both are hinted for zone a, and endpoint 2 for node n1",
      pods: [
        { forZones: ["a"], forNodes: ["n2"] },
        { forZones: ["a"], forNodes: ["n1"] },
      ],
      all: "2",
      why: "the nearest hint wins: trafficDistribution PreferSameNode",
    },
    {
      when: "endpoint 2 is on this node and hinted for another zone",
      pods: [{ forZones: ["a"] }, { node: "n1", forZones: ["b"] }],
      all: "1",
      local: "2",
      why: "a policy Local asks for this node's endpoints, whatever the hints say",
    },
  ]),
);

function describeFlows(flows: readonly StaleFlow[]): string {
  const lines = flows.flatMap(({ to, port, targets, untranslated }) =>
    [...targets, ...(untranslated ? ["itself"] : [])].map(
      (target) => `${to ?? "any address"}:${port} to ${target}`,
    ),
  );
  return lines.sort().join("; ") || "none";
}

/** Flows to endpoints that are gone; undefined: those that have none. */
const stale = (gone: readonly (Target | undefined)[]) => ({
  transport: "udp" as const,
  targets: new Set(gone.filter((target) => target !== undefined).map(keyOf)),
  untranslated: gone.includes(undefined),
});

const udp = { transport: "udp", nodePort: SERVICE.nodePort } as const;
const FLOWS_WHY =
  "the kernel translates a known flow by its conntrack entry, without asking the rules: a UDP " +
  "client would go on sending to a pod that is gone; a TCP one gets a reset";

check("plan: a change names the UDP flows that conntrack must forget", () => {
  const [one, two] = endpoints(2);
  const both = webPort([one!, two!], [], udp);
  const left = webPort([one!], [], udp);
  const none = webPort([], [], udp);
  const metrics = { ...one!, port: 9090 };
  const cases = [
    { when: "endpoint 2 of two is removed", from: both, to: left, gone: [two!] },
    { when: "the Service is removed", from: both, to: undefined, gone: [one!, two!] },
    { when: "the first endpoint is added", from: none, to: left, gone: [undefined] },
    { when: "a second endpoint is added", from: left, to: both, gone: [] },
    { when: "a Service without endpoints is added", from: undefined, to: none, gone: [] },
    { when: "a Service with an endpoint is added", from: undefined, to: left, gone: [undefined] },
    { when: "nothing changes", from: both, to: both, gone: [] },
    {
      when: "one of two ports of one address is removed",
      from: webPort([one!, metrics], [], udp),
      to: left,
      gone: [metrics],
    },
    { when: "an endpoint of TCP is removed", from: webPort([one!]), to: webPort([]), gone: [] },
  ];
  for (const { when, from, to, gone } of cases) {
    const flow = stale(gone);
    const expected = [
      { ...flow, to: SERVICE.ip, port: SERVICE.port },
      { ...flow, to: undefined, port: SERVICE.nodePort },
    ];
    const found = staleFlows(from, to);
    judge(describeFlows(found) === describeFlows(expected), {
      when,
      expected: describeFlows(expected),
      happened: describeFlows(found),
      why: FLOWS_WHY,
    });
  }
});

check("plan: flows are forgotten by the addresses that the Service had", () => {
  const [one, two] = endpoints(2);
  const before = webPort([one!, two!], [], { ...udp, externalIps: [SERVICE.external] });
  const after = webPort([one!], [], { transport: "udp", clusterIps: ["10.96.0.20"] });
  const flow = { ...stale([two]), port: SERVICE.port };
  const expected = describeFlows([
    { ...flow, to: SERVICE.ip },
    { ...flow, to: SERVICE.external },
    { ...flow, to: undefined, port: SERVICE.nodePort },
  ]);
  const found = describeFlows(staleFlows(before, after));
  judge(found === expected, {
    when: "endpoint 2 is removed, and the Service gets another cluster IP, no other address",
    expected,
    happened: found,
    why: FLOWS_WHY,
  });
});
