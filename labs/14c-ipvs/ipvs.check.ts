import type { DestinationState } from "@raft2kube/linux/netfilter/ipvs.ts";
import { planDestinations } from "@raft2kube/proxy/apply/ipvs/destinations.ts";
import { IpvsState } from "@raft2kube/proxy/apply/ipvs/state.ts";
import { type Wanted, wantedOf } from "@raft2kube/proxy/apply/ipvs/wanted.ts";
import type { ServicePort } from "@raft2kube/proxy/plan/model.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { describeTargets, endpoints, SERVICE, webPort } from "../proxy/ports.ts";

const NODE = "192.0.2.1";
const CONTEXT = { scheduler: "rr", nodeAddresses: [NODE] };
const [ONE, TWO] = endpoints(2);
const EXTERNAL = { externalIps: [SERVICE.external], nodePort: SERVICE.nodePort };
const port = (more: Partial<ServicePort> = {}) => webPort([ONE!, TWO!], [ONE!], more);

/** Virtual servers as `ipvsadm -Ln` shows them: `10.96.0.10:80 rr -> 10.244.0.1:8080, ...`. */
function serversOf({ servers }: Wanted): string[] {
  return servers
    .map(({ server, targets }) => {
      const { address, port: number, scheduler, persistence_s } = server;
      const persistent = persistence_s === undefined ? "" : ` persistent ${persistence_s}`;
      return `${address}:${number} ${scheduler}${persistent} -> ${describeTargets(targets)}`;
    })
    .sort();
}

/** The frontends in one of the sets that the rules ask. */
function entriesOf({ entries }: Wanted, set: string): string {
  const found = entries
    .filter((one) => one.set === set)
    .map(({ entry }) => {
      const number = entry.port ? `,${entry.port.protocol}:${entry.port.number}` : "";
      return `${entry.ip}${number}${entry.second === undefined ? "" : `,${entry.second}`}`;
    });
  return [...new Set(found)].sort().join(" ") || "nothing";
}

function judgeLines(when: string, found: string[], expected: string[], why: string): void {
  const wanted = expected.sort();
  judge(found.join("\n") === wanted.join("\n"), {
    when,
    expected: wanted.join("; "),
    happened: found.join("; ") || "no virtual server",
    why,
  });
}

check("ipvs: each frontend is a virtual server with the endpoints of its traffic policy", () => {
  const both = describeTargets([ONE!, TWO!]);
  const here = describeTargets([ONE!]);
  const [cluster, external, node] = [
    `${SERVICE.ip}:${SERVICE.port} rr`,
    `${SERVICE.external}:${SERVICE.port} rr`,
    `${NODE}:${SERVICE.nodePort} rr`,
  ];
  judgeLines(
    "a Service with an external address and a node port",
    serversOf(wantedOf(port(EXTERNAL), CONTEXT)),
    [cluster, external, node].map((frontend) => `${frontend} -> ${both}`),
    "IPVS looks up a packet's destination: an address without a virtual server is not served",
  );
  judgeLines(
    "the same with externalTrafficPolicy Local, endpoint 1 on this node",
    serversOf(wantedOf(port({ ...EXTERNAL, externalLocal: true }), CONTEXT)),
    [`${cluster} -> ${both}`, `${external} -> ${here}`, `${node} -> ${here}`],
    "the load balancer has chosen this node, and the client's address must be kept",
  );
  judgeLines(
    "a Service with internalTrafficPolicy Local and ClientIP affinity for 60 s",
    serversOf(wantedOf(port({ internalLocal: true, affinity_s: 60 }), CONTEXT)),
    [`${cluster} persistent 60 -> ${here}`],
    "IPVS itself keeps a client at its destination: a persistent virtual server",
  );
});

check("ipvs: the sets lead masquerading, and the dummy device has the Service's addresses", () => {
  const all = wantedOf(port(EXTERNAL), CONTEXT);
  const local = wantedOf(port({ ...EXTERNAL, externalLocal: true }), CONTEXT);
  const [cluster, external, node] = [
    `${SERVICE.ip},tcp:80`,
    `${SERVICE.external},tcp:80`,
    `${NODE},tcp:${SERVICE.nodePort}`,
  ];
  const hairpins = [ONE!, TWO!].map(({ address }) => `${address},tcp:8080,${address}`).join(" ");
  const addresses = [SERVICE.ip, SERVICE.external].sort().join(" ");
  const why = {
    masquerade: "replies of a masqueraded connection return through this node, as they must",
    kept: "with the policy Local the endpoint is to see the client's own address",
    hairpin: "a pod that reaches itself would answer itself directly, past the translation",
    refused: "another port of the Service's address would be one of the node's own, and open",
  };
  const rows = [
    [all, "KUBE-CLUSTER-IP", cluster, why.masquerade],
    [all, "KUBE-EXTERNAL-IP", external, why.masquerade],
    [all, "KUBE-NODE-PORT", node, why.masquerade],
    [local, "KUBE-EXTERNAL-IP", "nothing", why.kept],
    [local, "KUBE-EXTERNAL-IP-LOCAL", external, why.kept],
    [local, "KUBE-NODE-PORT", "nothing", why.kept],
    [all, "KUBE-LOOP-BACK", hairpins, why.hairpin],
    [all, "KUBE-IPVS-IPS", addresses, why.refused],
  ] as const;
  for (const [wanted, set, expected, reason] of rows) {
    const found = entriesOf(wanted, set);
    judge(found === expected, {
      when: `set ${set}${wanted === local ? ", externalTrafficPolicy Local" : ""}`,
      expected,
      happened: found,
      why: reason,
    });
  }
  judge([...all.addresses].sort().join(" ") === addresses, {
    when: "the addresses of kube-ipvs0",
    expected: addresses,
    happened: [...all.addresses].sort().join(" ") || "none",
    why: "IPVS acts in INPUT: only packets for an address of the node pass there",
  });
});

check("ipvs: a load balancer's source ranges, and a local endpoint that hints leave out", () => {
  const range = "198.51.100.0/24";
  const firewall = { addresses: [SERVICE.external], ranges: [range] };
  const guarded = wantedOf(port({ ...EXTERNAL, firewall }), CONTEXT);
  const hinted = wantedOf(webPort([ONE!], [TWO!]), CONTEXT);
  const [external, here] = [`${SERVICE.external},tcp:80`, `${TWO!.address},tcp:8080`];
  const away = `${ONE!.address},tcp:8080,${ONE!.address}`;
  const rows = [
    [guarded, "KUBE-LOAD-BALANCER-FW", external, "its rules would not be asked: all are admitted"],
    [guarded, "KUBE-LOAD-BALANCER-SOURCE-CIDR", `${external},${range}`, "none would be admitted"],
    [
      hinted,
      "KUBE-LOOP-BACK",
      `${away} ${here},${TWO!.address}`,
      "with a policy Local it gets connections too, and may reach itself",
    ],
  ] as const;
  for (const [wanted, set, expected, why] of rows) {
    const happened = entriesOf(wanted, set);
    judge(happened === expected, { when: `set ${set}`, expected, happened, why });
  }
});

check("ipvs: a change of one Service leaves the virtual servers of others alone", () => {
  const state = new IpvsState();
  const other = { ...port(), key: "shop/api:http/TCP", clusterIps: ["10.96.0.11"] };
  state.change(
    new Map([
      ["web", wantedOf(port(), CONTEXT)],
      ["api", wantedOf(other, CONTEXT)],
    ]),
  );
  const { servers } = state.change(new Map([["web", wantedOf(webPort([ONE!]), CONTEXT)]]));
  const found = servers.set.map(
    ({ server, targets }) => `${server.address} -> ${describeTargets(targets)}`,
  );
  judgeLines(
    "endpoint 2 of one of two Services is removed",
    found,
    [`${SERVICE.ip} -> ${describeTargets([ONE!])}`],
    "with 10,000 Services a change must cost as much as with ten",
  );
});

const state = (weight: number, activeConnections: number): DestinationState => ({
  ...TWO!,
  weight,
  activeConnections,
  inactiveConnections: 0,
});

check("ipvs: a destination leaves with weight 0 until its connections have ended", () => {
  const cases = [
    { when: "endpoint 2 is new", targets: [TWO!], found: [], expected: "set 1" },
    { when: "endpoint 2 is there and wanted", targets: [TWO!], found: [state(1, 3)], expected: "" },
    {
      when: "endpoint 2 returns while it leaves",
      targets: [TWO!],
      found: [state(0, 3)],
      expected: "set 1",
    },
    {
      when: "endpoint 2 is no longer wanted and has 3 connections",
      targets: [],
      found: [state(1, 3)],
      expected: "set 0, leaving",
    },
    { when: "it still has one", targets: [], found: [state(0, 1)], expected: "leaving" },
    {
      when: "its last one waits for the end of the other side (FIN_WAIT)",
      targets: [],
      found: [{ ...state(0, 0), inactiveConnections: 1 }],
      expected: "leaving",
    },
    { when: "its last one has ended", targets: [], found: [state(0, 0)], expected: "removed" },
  ];
  for (const { when, targets, found, expected } of cases) {
    const happened = stepsText(planDestinations("tcp", targets, found));
    judge(happened === expected, {
      when,
      expected: expected || "nothing",
      happened: happened || "nothing",
      why:
        "IPVS forwards the packets of a connection by its destination: without it they are lost; " +
        "with weight 0 it gets no new connection",
    });
  }
  const happened = stepsText(planDestinations("udp", [], [state(1, 3)]));
  judge(happened === "removed", {
    when: "a destination of UDP is no longer wanted",
    expected: "removed",
    happened,
    why: "a client of UDP sends on for ever: its packets would keep a pod that is gone",
  });
});

function stepsText({ set, removed, leaving }: ReturnType<typeof planDestinations>): string {
  return [
    ...set.map(({ weight }) => `set ${weight}`),
    ...removed.map(() => "removed"),
    ...leaving.map(() => "leaving"),
  ].join(", ");
}
