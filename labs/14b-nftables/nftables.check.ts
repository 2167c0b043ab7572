import { TableState } from "@raft2kube/linux/netfilter/nft-table/table-state.ts";
import { renderPort } from "@raft2kube/proxy/apply/nftables/render-port.ts";
import { deleteStaleFlows } from "@raft2kube/proxy/apply/stale-flows.ts";
import type { ServicePort, Target } from "@raft2kube/proxy/plan/model.ts";
import { staleFlows } from "@raft2kube/proxy/plan/stale-flows.ts";
import { atOnce } from "../../testing/at-once.ts";
import {
  ADDRESSES,
  type Agent,
  CLUSTER_CIDR,
  TARGETS,
} from "../../testing/network/node-network.ts";
import { check } from "../check.ts";
import { as, clauses, text } from "../clauses.ts";
import { judge } from "../judge.ts";
import { withNode } from "../proxy/own-proxy.ts";
import { endpoints, SERVICE, webPort } from "../proxy/ports.ts";

const ONE: Target = { address: ADDRESSES.one, port: TARGETS.http };
const TWO: Target = { address: ADDRESSES.two, port: TARGETS.http };
/** Connections enough that with two endpoints all go to one of them once in 2^19 times. */
const MANY = 20;
const ANSWER_MS = 1_500;
/** How long nothing must come where packets are dropped. */
const SILENCE_MS = 300;
const NODE_PORT = { nodePort: SERVICE.nodePort };

/** The elements of a port, `SET: KEY` or `MAP: KEY => VALUE`, without the endpoints' maps. */
function frontendsOf(port: ServicePort): string[] {
  const { chains, elements } = renderPort(port, CLUSTER_CIDR);
  const kept = elements.filter(({ set }) => !/^(service|external|nodeport)-endpoints$/.test(set));
  return kept
    .map(({ set, key, value }) => {
      const [verb, chain = ""] = value.split(" ");
      const verdict = chains.has(chain) ? `${verb} a chain` : value;
      return `${set}: ${key}${verdict === "" ? "" : ` => ${verdict}`}`;
    })
    .sort();
}

/** `AB`: both of the endpoints A and B. */
const named = (value: unknown): Target[] =>
  endpoints(2).filter((_, at) => text(value).includes("AB".charAt(at)));

const { frontends } = clauses(import.meta, {
  frontends: {
    when: text,
    all: named,
    local: named,
    more: as<Partial<ServicePort>>(),
    expected: as<readonly string[]>(),
    why: text,
  },
});

check("nftables: a Service's frontends are elements of the maps", () => {
  for (const { when, all, local, more: given, expected, why } of frontends) {
    const found = frontendsOf(webPort(all, local, given));
    const wanted = [...expected].sort();
    const missing = wanted.filter((line) => !found.includes(line));
    const more = found.filter((line) => !wanted.includes(line));
    judge(missing.length + more.length === 0, {
      when,
      expected: missing.join("; ") || "nothing more",
      happened: more.join("; ") || "these elements are missing",
      why,
    });
  }
});

check("nftables: Services share chains, so that a change is a few elements", () => {
  const state = new TableState("r2k-proxy");
  const port = (at: number, targets: readonly Target[]): ServicePort => ({
    ...webPort(targets, targets, { nodePort: 30_000 + at, externalLocal: true }),
    key: `shop/web-${at}:http/TCP`,
    clusterIps: [`10.96.1.${at}`],
  });
  const pods = (at: number, ...last: number[]) =>
    last.map((byte) => ({ address: `10.244.${at}.${byte}`, port: 8080 }));
  const change = (at: number, ...last: number[]) => {
    const owner = `shop/web-${at}:http/TCP`;
    return { owner, fragment: renderPort(port(at, pods(at, ...last)), CLUSTER_CIDR) };
  };
  const count = (text: string) => text.match(/^add chain/gm)?.length ?? 0;
  const first = count(atOnce(state.apply([change(0, 1, 2)])));
  const others = Array.from({ length: 99 }, (_, at) => change(at + 1, 1, 2));
  const rest = count(atOnce(state.apply(others)));
  judge(rest === 0, {
    when: `99 Services are added to one, each with two endpoints; the first made ${first} chains`,
    expected: "no chain more: a chain is named after the number of endpoints",
    happened: `${rest} chains more`,
    why: "the kernel checks all chains of a table at each transaction: thousands take seconds",
  });
  const statements = atOnce(state.apply([change(5, 1, 3)]))
    .trim()
    .split("\n");
  const isRule = statements.filter((line) => !/^(add|delete) element /.test(line));
  judge(isRule.length === 0, {
    when: "an endpoint of one Service is replaced by another",
    expected: "elements alone change",
    happened: isRule.slice(0, 3).join("; ") || "elements alone change",
    why: "the endpoint's address belongs into a map, not into a rule",
  });
});

/** Asks an address: `one 10.244.0.12`, `refused`, `reset` or `silent`. */
function ask(agent: Agent, address: string, port: number, timeout_ms = ANSWER_MS) {
  return agent.ask(address, port, { timeout_ms });
}

async function judgeAnswer(
  [who, agent]: readonly [string, Agent],
  [address, port]: readonly [string, number],
  expected: RegExp,
  { when, wanted, why }: { when: string; wanted: string; why: string },
): Promise<void> {
  const isSilence = expected.test("silent");
  const found = await ask(agent, address, port, isSilence ? SILENCE_MS : ANSWER_MS);
  judge(expected.test(found), {
    when: `${when}: ${who} connects to ${address}:${port}`,
    expected: wanted,
    happened: found.replace(/^(\w+) ([\d.]+)$/, "an answer of pod $1, which saw $2"),
    why,
  });
}

/** Judges that many connections reach each of the pods. */
async function judgeSpread(agent: Agent, who: string, pods: readonly string[]): Promise<void> {
  const seen = new Map<string, number>();
  for (let at = 0; at < MANY; at++) {
    const answer = (await ask(agent, SERVICE.ip, SERVICE.port)).split(" ")[0] ?? "";
    seen.set(answer, (seen.get(answer) ?? 0) + 1);
  }
  const counts = [...seen]
    .map(([answer, count]) => `${count} ${answer}`)
    .sort()
    .join(", ");
  judge([...seen.keys()].sort().join() === pods.join(), {
    when: `${who} connects ${MANY} times to ${SERVICE.ip}:80`,
    expected: `answers of ${pods.join(" and ")}, at random`,
    happened: counts,
    why: "each connection is translated once, to an endpoint that the kernel chooses then",
  });
}

check("nftables: connections are spread; a pod's address is kept, another machine's is not", () =>
  withNode(async (node) => {
    await node.serve(webPort([ONE, TWO]));
    for (const [who, agent] of [
      ["a pod", node.one],
      ["another machine", node.outside],
    ] as const) {
      await judgeSpread(agent, who, ["one", "two"]);
    }
    await node.serve(webPort([TWO]));
    const at = [SERVICE.ip, SERVICE.port] as const;
    await judgeAnswer(["pod one", node.one], at, new RegExp(`^two ${ADDRESSES.one}$`), {
      when: "endpoint two",
      wanted: `pod two sees pod one's address, ${ADDRESSES.one}`,
      why: "network policies and logs know pods by their addresses",
    });
    const machine = ["another machine", node.outside] as const;
    await judgeAnswer(machine, at, new RegExp(`^two ${ADDRESSES.gateway}$`), {
      when: "endpoint two",
      wanted: `pod two sees this node's address, ${ADDRESSES.gateway}`,
      why: "an endpoint on another node would answer the client directly, past the translation",
    });
  }),
);

check("nftables: a pod reaches itself through its Service", () =>
  withNode(async (node) => {
    await node.serve(webPort([ONE]));
    await judgeAnswer(["pod one", node.one], [SERVICE.ip, SERVICE.port], /^one /, {
      when: "pod one is the only endpoint",
      wanted: "an answer of pod one",
      why: "translated alone, the packet would arrive at the pod with its own address as source",
    });
  }),
);

check("nftables: without endpoints a connection is refused at once, until there is one", () =>
  withNode(async (node) => {
    const at = [SERVICE.ip, SERVICE.port] as const;
    const agents = [
      ["pod one", node.one],
      ["the node", node.node],
    ] as const;
    await node.serve(webPort([]));
    for (const one of agents) {
      await judgeAnswer(one, at, /^(refused|reset)$/, {
        when: "no endpoint",
        wanted: "refused",
        why: "a client would otherwise wait for minutes, for a Service that has nobody",
      });
    }
    await node.serve(webPort([TWO], [], { internalLocal: true }));
    await judgeAnswer(agents[0], at, /^silent$/, {
      when: "internalTrafficPolicy Local, the endpoint on another node",
      wanted: "silence",
      why: "the packet is dropped, as upstream does: the Service exists elsewhere",
    });
    await node.serve(webPort([TWO]));
    await judgeAnswer(agents[0], at, /^two /, {
      when: "an endpoint again",
      wanted: "an answer of pod two",
      why: "the rejection of a moment must not stay in the kernel",
    });
  }),
);

check("nftables: a node port's endpoints see the node, and with the policy Local the client", () =>
  withNode(async (node) => {
    const at = [ADDRESSES.node, SERVICE.nodePort] as const;
    const machine = ["another machine", node.outside] as const;
    await node.serve(webPort([TWO], [], NODE_PORT));
    await judgeAnswer(machine, at, new RegExp(`^two ${ADDRESSES.gateway}$`), {
      when: "endpoint two is on another node",
      wanted: `pod two sees this node's address, ${ADDRESSES.gateway}`,
      why: "its reply has to come back here, where the destination was translated",
    });
    const local = { ...NODE_PORT, externalLocal: true };
    await node.serve(webPort([ONE, TWO], [TWO], local));
    // Of two endpoints a wrong plan picks the right one every second time.
    for (let i = 0; i < 16; i++) {
      await judgeAnswer(machine, at, new RegExp(`^two ${ADDRESSES.outside}$`), {
        when: "externalTrafficPolicy Local, endpoint two on this node, one on another",
        wanted: `pod two sees the client's address, ${ADDRESSES.outside}`,
        why: "the policy keeps the client's address; that is possible on this node alone",
      });
    }
    await node.serve(webPort([ONE], [], local));
    await judgeAnswer(machine, at, /^silent$/, {
      when: "externalTrafficPolicy Local, no endpoint on this node",
      wanted: "silence",
      why: "a load balancer finds out by the health check, and chooses another node",
    });
    await judgeAnswer(["pod two", node.two], at, /^one /, {
      when: "externalTrafficPolicy Local, no endpoint on this node",
      wanted: "an answer of pod one",
      why: "the policy is for clients outside: pods and this node use all endpoints",
    });
  }),
);

check("nftables and conntrack: a UDP client leaves an endpoint that is removed", () =>
  withNode(async (node) => {
    const port = (targets: readonly Target[]) =>
      webPort(
        targets.map(({ address }) => ({ address, port: TARGETS.dns })),
        undefined,
        { transport: "udp" },
      );
    const client = { protocol: "udp", localPort: 40_001, timeout_ms: ANSWER_MS } as const;
    const askOnce = () => node.one.ask(SERVICE.ip, SERVICE.port, client);
    const change = async (before: ServicePort | undefined, after: ServicePort) => {
      await node.serve(after);
      await deleteStaleFlows(staleFlows(before, after));
    };
    await change(undefined, port([ONE]));
    const first = await askOnce();
    await change(port([ONE]), port([TWO]));
    const second = await askOnce();
    judge(/^one /.test(first) && /^two /.test(second), {
      when: "a client sends from one UDP port; its endpoint one is replaced by two in between",
      expected: "an answer of one, then of two",
      happened: `${first}, then ${second}`,
      why: "conntrack remembers the translation as long as packets come: rules are not asked again",
    });
  }),
);
