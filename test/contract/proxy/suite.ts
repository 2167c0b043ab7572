import assert from "node:assert/strict";
import { ADDRESSES, type NodeNetwork } from "../../../testing/network/node-network.ts";
import { waitFor } from "../../../testing/wait.ts";
import { HOSTILE } from "./hostile-rules.ts";
import type { Served } from "./implementation.ts";
import { NEAR } from "./near-rules.ts";
import {
  answers,
  clock,
  elsewhere,
  freshPort,
  ONE,
  type Pod,
  REFUSED,
  SILENCE_MS,
  serve,
  spread,
  TWO,
  unplaced,
  WAIT_MS,
  type Wish,
} from "./steps.ts";

/** One rule of the contract: resolves if the proxy keeps it, throws otherwise. */
export interface Rule {
  name: string;
  run(net: NodeNetwork, served: Served): Promise<void>;
}

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
      // The address and what masquerades it may take effect one after the other.
      await answers(outside, [ip, 80], /^two 10\.244\.0\.1$/);
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
    name: "a pod reaches itself through a slice that names no node",
    async run({ one }, served) {
      const ip = "10.96.1.11";
      await serve(served, { name: "self-unplaced", ip, endpoints: [unplaced(ONE)] });
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
    name: "ClientIP affinity ends with the endpoint",
    async run({ outside }, served) {
      const ip = "10.96.1.13";
      const spec: Wish["spec"] = { sessionAffinity: "ClientIP" };
      const wish: Wish = { name: "moved", ip, endpoints: [ONE, TWO], spec };
      await serve(served, wish);
      const isOne = /^one /.test(await answers(outside, [ip, 80], /^(one|two) /));
      await serve(served, { ...wish, endpoints: [isOne ? TWO : ONE] });
      await answers(outside, [ip, 80], isOne ? /^two / : /^one /);
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
  {
    name: "a port of a cluster IP that no Service has is refused at once",
    async run({ node, one, outside }, served) {
      const ip = "10.96.1.12";
      await serve(served, { name: "known", ip, endpoints: [TWO] });
      await answers(one, [ip, 80], /^two /);
      for (const agent of [one, node, outside]) await answers(agent, [ip, 81], REFUSED);
    },
  },
];

const EXTERNAL: readonly Rule[] = [
  {
    name: "a NodePort is served to other machines, pods and the node",
    async run({ node, one, outside }, served) {
      await serve(served, {
        name: "np",
        ip: "10.96.2.1",
        nodePort: 30081,
        endpoints: [ONE, TWO],
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
        name: "lo",
        ip: "10.96.2.2",
        nodePort: 30082,
        endpoints: [ONE],
        spec: { type: "NodePort" },
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
    name: "healthCheckNodePort tells whether this node has endpoints",
    async run(_net, served) {
      const healthCheckNodePort = 31_010;
      const spec: Wish["spec"] = {
        type: "LoadBalancer",
        externalTrafficPolicy: "Local",
        healthCheckNodePort,
      };
      const probe = async () => {
        const answer = await fetch(`http://${ADDRESSES.node}:${healthCheckNodePort}/healthz`);
        const { localEndpoints } = (await answer.json()) as { localEndpoints: number };
        return `${answer.status} ${localEndpoints}`;
      };
      for (const [pod, expected] of [
        [TWO, "200 1"],
        [elsewhere(TWO), "503 0"],
      ] as const) {
        await serve(served, { name: "hc", ip: "10.96.2.11", endpoints: [pod], spec });
        const isSo = async () => (await probe().catch(String)) === expected;
        await waitFor(`the health check to be ${expected}`, isSo, { clock, timeout_ms: WAIT_MS });
      }
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
      const only = (range: string): Wish["spec"] => ({
        type: "LoadBalancer",
        loadBalancerSourceRanges: [range],
      });
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
    name: "UDP without endpoints is refused",
    async run({ one, outside }, served) {
      const ip = "10.96.3.7";
      const wish: Wish = { name: "udpn", ip, port: 53, protocol: "udp", endpoints: [TWO] };
      await serve(served, wish);
      await answers(outside, [ip, 53], /^two /, { protocol: "udp" });
      await serve(served, { ...wish, endpoints: [] });
      for (const agent of [one, outside]) {
        await answers(agent, [ip, 53], /^refused$/, { protocol: "udp" });
      }
    },
  },
  {
    name: "UDP clients of node ports and external addresses leave an endpoint that is gone",
    async run({ outside }, served) {
      const wish: Wish = {
        name: "udpx",
        ip: "10.96.3.8",
        port: 53,
        protocol: "udp",
        endpoints: [ONE],
        nodePort: 30092,
        balancer: ["203.0.113.22"],
        spec: { type: "LoadBalancer", externalIPs: ["203.0.113.21"] },
      };
      const frontends = [
        [ADDRESSES.node, 30092],
        ["203.0.113.21", 53],
        ["203.0.113.22", 53],
      ] as const;
      const clients = frontends.map((to) => {
        return { to, options: { protocol: "udp", localPort: freshPort() } as const };
      });
      await serve(served, wish);
      for (const { to, options } of clients) await answers(outside, to, /^one /, options);
      await serve(served, { ...wish, endpoints: [TWO] });
      for (const { to, options } of clients) await answers(outside, to, /^two /, options);
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

/** An address of the node that serves node ports where `--nodeport-addresses` names it alone. */
export const NODE_PORT_ADDRESSES = [`${ADDRESSES.node}/32`];

/** A rule for a proxy that was started with `NODE_PORT_ADDRESSES`. */
export const RESTRICTED: Rule = {
  name: "a NodePort is on the addresses of --nodeport-addresses alone",
  async run({ node, one, outside }, served) {
    await serve(served, {
      name: "npr",
      ip: "10.96.5.1",
      nodePort: 30091,
      endpoints: [TWO],
      spec: { type: "NodePort" },
    });
    for (const agent of [outside, one, node]) {
      await answers(agent, [ADDRESSES.node, 30091], /^two /);
      assert.match(await agent.ask(ADDRESSES.gateway, 30091), REFUSED);
    }
  },
};

/** The contract of a Service proxy. */
export const RULES: readonly Rule[] = [
  ...CLUSTER_IP,
  ...NEAR,
  ...EXTERNAL,
  ...CONNECTIONS,
  ...HOSTILE,
];
