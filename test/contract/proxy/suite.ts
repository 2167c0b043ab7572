import assert from "node:assert/strict";
import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { NODE_NAME, type Served } from "./implementation.ts";
import { ADDRESSES, type Agent, type Protocol, TARGETS, type World } from
  "../../../testing/network/node-world.ts";

/** One rule of the contract: resolves if the proxy keeps it, throws otherwise. */
export interface Rule {
  name: string;
  run(world: World, served: Served): Promise<void>;
}

const clock = systemClock();
/** Long: upstream's kube-proxy tries again after 30 s where a sync failed on a busy machine. */
const WAIT_MS = 90_000;
/** How long nothing must come where packets are dropped. */
const SILENCE_MS = 400;
/** With two endpoints, all connections go to one of them by chance once in 2^23 times. */
const MANY = 24;

/** The kernel remembers UDP clients by their port, also those of the proxy judged before. */
let lastPort = 40_000;
const freshPort = () => ++lastPort;

interface Pod {
  address: string;
  node?: string;
  ready?: boolean;
  terminating?: boolean;
}
const ONE: Pod = { address: ADDRESSES.one };
const TWO: Pod = { address: ADDRESSES.two };
const elsewhere = (pod: Pod): Pod => ({ ...pod, node: "elsewhere" });

interface Wish {
  name: string;
  ip: string;
  endpoints: Pod[];
  port?: number;
  nodePort?: number;
  protocol?: Protocol;
  targetPort?: number;
  spec?: Partial<Service["spec"]>;
  balancer?: string[];
}

/** Makes the proxy serve one Service of one port. */
async function serve(served: Served, wish: Wish): Promise<void> {
  const { name, ip, port = 80, nodePort, protocol = "tcp" } = wish;
  const api = protocol === "tcp" ? "TCP" : "UDP";
  const targetPort = wish.targetPort ?? (protocol === "tcp" ? TARGETS.http : TARGETS.dns);
  const service: Service = {
    metadata: { namespace: "default", name },
    spec: {
      clusterIP: ip,
      clusterIPs: [ip],
      ports: [{ name: "p", port, protocol: api, ...(nodePort ? { nodePort } : {}) }],
      ...wish.spec,
    },
    ...(wish.balancer
      ? { status: { loadBalancer: { ingress: wish.balancer.map((one) => ({ ip: one })) } } }
      : {}),
  };
  await served.set(service, sliceOf(wish, { name: "p", port: targetPort, protocol: api }));
}

function sliceOf(
  { name, endpoints }: Wish,
  port: NonNullable<EndpointSlice["ports"]>[number],
): EndpointSlice {
  return {
    metadata: {
      namespace: "default",
      name: `${name}-1`,
      labels: { "kubernetes.io/service-name": name },
    },
    addressType: "IPv4",
    ports: [port],
    endpoints: endpoints.map(endpointOf),
  };
}

function endpointOf({ address, node = NODE_NAME, ready = true, terminating = false }: Pod) {
  const conditions = { ready: ready && !terminating, serving: ready, terminating };
  return { addresses: [address], nodeName: node, conditions };
}

/** Waits until an agent gets an answer. Rules of others take effect later. */
async function answers(
  agent: Agent,
  [ip, port]: readonly [string, number],
  expected: RegExp,
  options: Parameters<Agent["ask"]>[2] = {},
): Promise<string> {
  let last = "";
  const probe = async () => {
    last = await agent.ask(ip, port, { timeout_ms: 1_000, ...options });
    return expected.test(last) ? last : undefined;
  };
  try {
    return await waitFor(`${ip}:${port} to answer ${expected}`, probe, {
      clock, timeout_ms: WAIT_MS,
    });
  } catch (thrown) {
    throw new assert.AssertionError({
      message: `${ip}:${port} answered ${last}, not ${expected}: ${String(thrown)}`,
    });
  }
}

/** The names of the endpoints that served many connections. */
async function spread(agent: Agent, ip: string, port: number): Promise<string[]> {
  const names = new Set<string>();
  for (let at = 0; at < MANY; at++) names.add((await agent.ask(ip, port)).split(" ")[0] ?? "");
  return [...names].sort();
}

const REFUSED = /^(refused|reset)$/;

const CLUSTER_IP: readonly Rule[] = [
  {
    name: "a ClusterIP spreads connections of pods, node and others over its endpoints",
    async run({ node, one, outside }, served) {
      const ip = "10.96.1.1";
      await serve(served, { name: "web", ip, endpoints: [ONE, TWO] });
      await answers(outside, [ip, 80], /^(one|two) /);
      for (const agent of [outside, node, one]) {
        assert.deepEqual(await spread(agent, ip, 80), ["one", "two"]);
      }
    },
  },
  {
    name: "a pod keeps its address, another machine is masqueraded",
    async run({ one, outside }, served) {
      const ip = "10.96.1.2";
      await serve(served, { name: "keep", ip, endpoints: [TWO] });
      assert.equal(await answers(one, [ip, 80], /^two /), `two ${ADDRESSES.one}`);
      assert.match(await answers(outside, [ip, 80], /^two /), /^two 10\.244\.0\.1$/);
    },
  },
  {
    name: "a pod reaches itself through a Service",
    async run({ one }, served) {
      const ip = "10.96.1.3";
      await serve(served, { name: "self", ip, endpoints: [ONE] });
      await answers(one, [ip, 80], /^one /);
    },
  },
  {
    name: "without endpoints connections are refused at once",
    async run({ node, one, outside }, served) {
      const ip = "10.96.1.4";
      await serve(served, { name: "none", ip, endpoints: [ONE] });
      await answers(one, [ip, 80], /^one /);
      await serve(served, { name: "none", ip, endpoints: [{ ...ONE, ready: false }] });
      for (const agent of [one, node, outside]) await answers(agent, [ip, 80], REFUSED);
      await serve(served, { name: "none", ip, endpoints: [TWO] });
      await answers(one, [ip, 80], /^two /);
    },
  },
  {
    name: "an endpoint that terminates and serves is used while none is ready",
    async run({ one, outside }, served) {
      const ip = "10.96.1.5";
      const leaving: Pod = { ...ONE, terminating: true };
      await serve(served, { name: "leaving", ip, endpoints: [leaving] });
      await answers(outside, [ip, 80], /^one /);
      await serve(served, { name: "leaving", ip, endpoints: [leaving, TWO] });
      await answers(outside, [ip, 80], /^two /);
      assert.deepEqual(await spread(one, ip, 80), ["two"]);
    },
  },
  {
    name: "ClientIP affinity keeps a client at its endpoint",
    async run({ one, outside }, served) {
      const ip = "10.96.1.6";
      const spec: Wish["spec"] = { sessionAffinity: "ClientIP" };
      await serve(served, { name: "sticky", ip, endpoints: [ONE, TWO], spec });
      for (const agent of [one, outside]) {
        await answers(agent, [ip, 80], /^(one|two) /);
        assert.equal((await spread(agent, ip, 80)).length, 1);
      }
    },
  },
  {
    name: "affinity ends after its timeout",
    async run({ outside }, served) {
      const ip = "10.96.1.7";
      const timeout = { clientIP: { timeoutSeconds: 1 } };
      const spec: Wish["spec"] = { sessionAffinity: "ClientIP", sessionAffinityConfig: timeout };
      await serve(served, { name: "forgetful", ip, endpoints: [ONE, TWO], spec });
      await answers(outside, [ip, 80], /^(one|two) /);
      const seen = new Set<string>();
      const probe = async () => {
        seen.add((await outside.ask(ip, 80)).split(" ")[0] ?? "");
        return seen.size === 2;
      };
      // Asking sooner would renew it.
      await waitFor("both endpoints", probe, { clock, timeout_ms: WAIT_MS, interval_ms: 1_300 });
    },
  },
  {
    name: "internalTrafficPolicy Local uses endpoints of this node only",
    async run({ one }, served) {
      const ip = "10.96.1.8";
      const spec: Wish["spec"] = { internalTrafficPolicy: "Local" };
      await serve(served, { name: "near", ip, endpoints: [elsewhere(ONE), TWO], spec });
      await answers(one, [ip, 80], /^two /);
      assert.deepEqual(await spread(one, ip, 80), ["two"]);
    },
  },
  {
    name: "internalTrafficPolicy Local drops without an endpoint of this node",
    async run({ one }, served) {
      const ip = "10.96.1.9";
      const spec: Wish["spec"] = { internalTrafficPolicy: "Local" };
      await serve(served, { name: "far", ip, endpoints: [TWO], spec });
      await answers(one, [ip, 80], /^two /);
      await serve(served, { name: "far", ip, endpoints: [elsewhere(TWO)], spec });
      await answers(one, [ip, 80], /^silent$/, { timeout_ms: SILENCE_MS });
    },
  },
  {
    name: "a removed Service is served no longer",
    async run({ one }, served) {
      const ip = "10.96.1.10";
      await serve(served, { name: "gone", ip, endpoints: [TWO] });
      await answers(one, [ip, 80], /^two /);
      await served.remove("gone");
      await answers(one, [ip, 80], /^(?!two)/, { timeout_ms: SILENCE_MS });
    },
  },
];

const EXTERNAL: readonly Rule[] = [
  {
    name: "a NodePort is served to other machines, pods and the node",
    async run({ node, one, outside }, served) {
      await serve(served, {
        name: "np", ip: "10.96.2.1", nodePort: 30081, endpoints: [ONE, TWO],
        spec: { type: "NodePort" },
      });
      for (const agent of [outside, one, node]) {
        await answers(agent, [ADDRESSES.node, 30081], /^(one|two) /);
        assert.deepEqual(await spread(agent, ADDRESSES.node, 30081), ["one", "two"]);
      }
    },
  },
  {
    name: "a NodePort is not on the node's loopback address",
    async run({ node, outside }, served) {
      await serve(served, {
        name: "lo", ip: "10.96.2.2", nodePort: 30082, endpoints: [ONE], spec: { type: "NodePort" },
      });
      await answers(outside, [ADDRESSES.node, 30082], /^one /);
      assert.match(await node.ask("127.0.0.1", 30082), REFUSED);
    },
  },
  {
    name: "a NodePort without endpoints is refused",
    async run({ outside }, served) {
      const wish = { name: "npn", ip: "10.96.2.3", nodePort: 30083, spec: { type: "NodePort" } };
      await serve(served, { ...wish, endpoints: [ONE] } as Wish);
      await answers(outside, [ADDRESSES.node, 30083], /^one /);
      await serve(served, { ...wish, endpoints: [] } as Wish);
      await answers(outside, [ADDRESSES.node, 30083], REFUSED);
    },
  },
  {
    name: "externalTrafficPolicy Local keeps the client's address",
    async run({ outside }, served) {
      const spec: Wish["spec"] = { type: "NodePort", externalTrafficPolicy: "Local" };
      const endpoints = [elsewhere(ONE), TWO];
      await serve(served, { name: "npl", ip: "10.96.2.4", nodePort: 30084, endpoints, spec });
      const expected = `two ${ADDRESSES.outside}`;
      assert.equal(await answers(outside, [ADDRESSES.node, 30084], /^two /), expected);
      assert.deepEqual(await spread(outside, ADDRESSES.node, 30084), ["two"]);
    },
  },
  {
    name: "externalTrafficPolicy Local uses endpoints of this node only",
    async run({ outside }, served) {
      const spec: Wish["spec"] = { type: "NodePort", externalTrafficPolicy: "Local" };
      const endpoints = [elsewhere(ONE), TWO];
      await serve(served, { name: "npo", ip: "10.96.2.5", nodePort: 30085, endpoints, spec });
      await answers(outside, [ADDRESSES.node, 30085], /^two /);
      assert.deepEqual(await spread(outside, ADDRESSES.node, 30085), ["two"]);
    },
  },
  {
    name: "externalTrafficPolicy Local: pods and the node use all endpoints",
    async run({ node, two }, served) {
      const spec: Wish["spec"] = { type: "NodePort", externalTrafficPolicy: "Local" };
      const endpoints = [elsewhere(ONE), TWO];
      await serve(served, { name: "npa", ip: "10.96.2.6", nodePort: 30086, endpoints, spec });
      await answers(two, [ADDRESSES.node, 30086], /^one /);
      await answers(node, [ADDRESSES.node, 30086], /^one /);
    },
  },
  {
    name: "externalTrafficPolicy Local drops without an endpoint of this node",
    async run({ outside }, served) {
      const spec: Wish["spec"] = { type: "NodePort", externalTrafficPolicy: "Local" };
      const wish = { name: "npd", ip: "10.96.2.7", nodePort: 30087, spec };
      await serve(served, { ...wish, endpoints: [TWO] });
      await answers(outside, [ADDRESSES.node, 30087], /^two /);
      await serve(served, { ...wish, endpoints: [elsewhere(TWO)] });
      const silence = { timeout_ms: SILENCE_MS };
      await answers(outside, [ADDRESSES.node, 30087], /^silent$/, silence);
    },
  },
  {
    name: "externalIPs are served",
    async run({ one, outside }, served) {
      const spec: Wish["spec"] = { externalIPs: ["203.0.113.1"] };
      await serve(served, { name: "ext", ip: "10.96.2.8", endpoints: [TWO], spec });
      for (const agent of [outside, one]) await answers(agent, ["203.0.113.1", 80], /^two /);
    },
  },
  {
    name: "a load balancer's address is served",
    async run({ one, outside }, served) {
      const spec: Wish["spec"] = { type: "LoadBalancer" };
      const balancer = ["203.0.113.2"];
      await serve(served, { name: "lb", ip: "10.96.2.9", endpoints: [TWO], spec, balancer });
      for (const agent of [outside, one]) await answers(agent, ["203.0.113.2", 80], /^two /);
    },
  },
  {
    name: "loadBalancerSourceRanges admit their clients only",
    async run({ one, outside }, served) {
      const balancer = ["203.0.113.3"];
      const wish = { name: "lbr", ip: "10.96.2.10", endpoints: [TWO], balancer };
      const only = (range: string): Wish["spec"] =>
        ({ type: "LoadBalancer", loadBalancerSourceRanges: [range] });
      await serve(served, { ...wish, spec: only("198.51.100.0/24") });
      await answers(outside, ["203.0.113.3", 80], /^two /);
      await answers(one, ["203.0.113.3", 80], /^silent$/, { timeout_ms: SILENCE_MS });
      await serve(served, { ...wish, spec: only("10.244.0.0/16") });
      await answers(one, ["203.0.113.3", 80], /^two /);
      await answers(outside, ["203.0.113.3", 80], /^silent$/, { timeout_ms: SILENCE_MS });
    },
  },
];

const CONNECTIONS: readonly Rule[] = [
  {
    name: "UDP is served, to the node and to other machines",
    async run({ node, one, outside }, served) {
      const ip = "10.96.3.1";
      await serve(served, { name: "udp", ip, port: 53, protocol: "udp", endpoints: [TWO] });
      for (const agent of [outside, one, node]) {
        await answers(agent, [ip, 53], /^two /, { protocol: "udp" });
      }
    },
  },
  {
    name: "UDP clients leave an endpoint that is gone",
    async run({ outside }, served) {
      const ip = "10.96.3.2";
      const wish: Wish = { name: "stale", ip, port: 53, protocol: "udp", endpoints: [ONE] };
      const options = { protocol: "udp", localPort: freshPort() } as const;
      await serve(served, wish);
      await answers(outside, [ip, 53], /^one /, options);
      await serve(served, { ...wish, endpoints: [TWO] });
      await answers(outside, [ip, 53], /^two /, options);
    },
  },
  {
    name: "UDP clients that came before the first endpoint find it",
    async run({ outside }, served) {
      const ip = "10.96.3.3";
      const wish: Wish = { name: "early", ip, port: 53, protocol: "udp", endpoints: [] };
      const options = { protocol: "udp", localPort: freshPort() } as const;
      await serve(served, wish);
      await answers(outside, [ip, 53], /^(?!one|two)/, { ...options, timeout_ms: SILENCE_MS });
      await serve(served, { ...wish, endpoints: [TWO] });
      await answers(outside, [ip, 53], /^two /, options);
    },
  },
  {
    name: "an established connection continues when its endpoint leaves the Service",
    async run({ one, outside }, served) {
      const ip = "10.96.3.4";
      const wish: Wish = { name: "long", ip, endpoints: [TWO] };
      await serve(served, wish);
      for (const agent of [one, outside]) {
        await answers(agent, [ip, 80], /^two /);
        assert.match(await agent.open("long", ip, 80), /^two /);
      }
      await serve(served, { ...wish, endpoints: [ONE] });
      for (const agent of [one, outside]) {
        await answers(agent, [ip, 80], /^one /);
        assert.match(await agent.say("long"), /^two /);
      }
    },
  },
  {
    name: "a connection that an endpoint refuses is tried at another",
    async run({ outside }, served) {
      const ip = "10.96.3.5";
      // Nothing listens on the gateway's own address.
      const dead: Pod = { address: ADDRESSES.gateway };
      await serve(served, { name: "retry", ip, endpoints: [dead, TWO] });
      await answers(outside, [ip, 80], /^two /);
      assert.deepEqual(await spread(outside, ip, 80), ["two"]);
    },
  },
];

/** Endpoints that a Service's writer must not reach, and frontends that are another's. */
const HOSTILE: readonly Rule[] = [
  {
    name: "endpoints on loopback and link-local addresses are ignored",
    async run({ outside }, served) {
      const ip = "10.96.4.1";
      const bad = [{ address: "127.0.0.1" }, { address: "169.254.169.254" }];
      await serve(served, { name: "bad", ip, endpoints: [...bad, TWO] });
      await answers(outside, [ip, 80], /^two /);
      assert.deepEqual(await spread(outside, ip, 80), ["two"]);
    },
  },
  {
    name: "an external address takes over no cluster IP and no pod",
    async run({ one, outside }, served) {
      const ip = "10.96.4.2";
      await serve(served, { name: "victim", ip, endpoints: [TWO] });
      await answers(outside, [ip, 80], /^two /);
      const spec: Wish["spec"] = { externalIPs: [ip, ADDRESSES.two, "203.0.113.4"] };
      await serve(served, { name: "greedy", ip: "10.96.4.3", endpoints: [ONE], spec });
      await serve(served, {
        name: "greedy2", ip: "10.96.4.4", port: TARGETS.http, endpoints: [ONE], spec,
      });
      await answers(outside, ["203.0.113.4", TARGETS.http], /^one /);
      assert.deepEqual(await spread(outside, ip, 80), ["two"]);
      assert.match(await outside.ask(ADDRESSES.two, TARGETS.http), /^two /);
      assert.match(await one.ask(ADDRESSES.two, TARGETS.http), /^two /);
      assert.doesNotMatch(await outside.ask(ip, TARGETS.http, { timeout_ms: SILENCE_MS }), /^one/);
    },
  },
];

/** The contract of a Service proxy. */
export const RULES: readonly Rule[] = [...CLUSTER_IP, ...EXTERNAL, ...CONNECTIONS, ...HOSTILE];
