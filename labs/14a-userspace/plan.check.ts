import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { endpointsOf } from "@raft2kube/proxy/plan/endpoints.ts";
import { keyOf, type Target } from "@raft2kube/proxy/plan/model.ts";
import { type StaleFlow, staleFlows } from "@raft2kube/proxy/plan/stale-flows.ts";
import { check } from "../check.ts";
import { as, clauses, text } from "../clauses.ts";
import { judge } from "../judge.ts";
import { endpoints, SERVICE, webPort } from "../proxy/ports.ts";

const HERE = { nodeName: "n1", zone: "a" };

/** An endpoint's node, its conditions in a word, and the zone and the node that it is hinted for. */
interface Pod {
  readonly node?: string;
  readonly is?: keyof typeof CONDITIONS;
  readonly zone?: string;
  readonly for?: string;
}
const CONDITIONS = {
  unready: { ready: false },
  leaving: { ready: false, serving: true, terminating: true },
  gone: { ready: false, serving: false, terminating: true },
};

function sliceOf(pods: readonly Pod[]): EndpointSlice {
  const named = (name?: string) => (name === undefined ? [] : [{ name }]);
  return {
    metadata: { namespace: "shop", name: "web-1" },
    addressType: "IPv4",
    ports: [{ name: "http", port: 8080, protocol: "TCP" }],
    endpoints: pods.map(({ node = "n2", is, zone, for: hinted }, at) => ({
      addresses: [`10.244.0.${at + 1}`],
      nodeName: node,
      conditions: is === undefined ? {} : CONDITIONS[is],
      hints: { forZones: named(zone), forNodes: named(hinted) },
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

const endpointsChosen = {
  when: text,
  pods: as<readonly Pod[]>(),
  all: text,
  local: text,
  why: text,
};
const { conditions, hints } = clauses(import.meta, {
  conditions: endpointsChosen,
  hints: endpointsChosen,
});

function judgeCases(cases: typeof conditions): void {
  for (const { when, pods, all, local, why } of cases) {
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
  judgeCases(conditions),
);

check("plan: hints keep traffic near, unless an endpoint has none", () => judgeCases(hints));

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
    {
      when: "endpoint 2 terminates, and still serves",
      from: both,
      to: { ...left, keptEndpoints: [two!] },
      gone: [],
    },
    {
      when: "endpoint 2, which was terminating, is removed",
      from: { ...left, keptEndpoints: [two!] },
      to: left,
      gone: [two!],
    },
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
