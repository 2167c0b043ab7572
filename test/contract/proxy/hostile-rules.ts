import assert from "node:assert/strict";
import { ADDRESSES, TARGETS } from "../../../testing/network/node-network.ts";
import {
  answers,
  elsewhere,
  ONE,
  REFUSED,
  SILENCE_MS,
  serve,
  spread,
  TWO,
  type Wish,
} from "./steps.ts";
import type { Rule } from "./suite.ts";

/** Endpoints that a Service's writer must not reach, and frontends that are another's. */
export const HOSTILE: readonly Rule[] = [
  {
    name: "endpoints on loopback, link-local and multicast addresses are ignored",
    async run({ outside }, served) {
      const ip = "10.96.4.1";
      const addresses = ["127.0.0.1", "169.254.169.254", "224.0.0.1"];
      const bad = addresses.map((address) => ({ address }));
      await serve(served, { name: "bad", ip, endpoints: [...bad, TWO] });
      await answers(outside, [ip, 80], /^two /);
      assert.deepEqual(await spread(outside, ip, 80), ["two"]);
    },
  },
  {
    // Endpoints of host-network pods: the proxy cannot distinguish them from those of a slice made
    // by hand.
    name: "endpoints on nodes' own addresses are served, what listens on loopback is not",
    async run({ node, one, outside }, served) {
      const [own, other, onLoopback] = [8_090, 8_091, 8_092];
      await node.listen(own, "node");
      await node.listen(onLoopback, "loopback", "tcp", "127.0.0.1");
      await outside.listen(other, "outside");
      const wish = { ip: "10.96.4.5", endpoints: [{ address: ADDRESSES.node }] };
      await serve(served, { ...wish, name: "host", targetPort: own });
      for (const agent of [one, outside, node]) await answers(agent, [wish.ip, 80], /^node /);
      await serve(served, { ...wish, name: "host", targetPort: onLoopback });
      for (const agent of [one, outside, node]) await answers(agent, [wish.ip, 80], REFUSED);
      const endpoints = [elsewhere({ address: ADDRESSES.outside })];
      await serve(served, { ...wish, name: "host", endpoints, targetPort: other });
      for (const agent of [one, node]) await answers(agent, [wish.ip, 80], /^outside /);
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
        name: "greedy2",
        ip: "10.96.4.4",
        port: TARGETS.http,
        endpoints: [ONE],
        spec,
      });
      await answers(outside, ["203.0.113.4", TARGETS.http], /^one /);
      assert.deepEqual(await spread(outside, ip, 80), ["two"]);
      // From a port that had no connection to the Service: IPVS takes what goes there for its own.
      const straight = { localPort: 20_001 };
      assert.match(await outside.ask(ADDRESSES.two, TARGETS.http, straight), /^two /);
      assert.match(await one.ask(ADDRESSES.two, TARGETS.http, straight), /^two /);
      assert.doesNotMatch(await outside.ask(ip, TARGETS.http, { timeout_ms: SILENCE_MS }), /^one/);
    },
  },
];
