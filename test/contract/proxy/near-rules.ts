import assert from "node:assert/strict";
import { ADDRESSES, type Agent } from "../../../testing/network/node-network.ts";
import { waitFor } from "../../../testing/wait.ts";
import { NODE_NAME, NODE_ZONE } from "./implementation.ts";
import {
  answers,
  clock,
  elsewhere,
  ONE,
  type Pod,
  serve,
  spread,
  TWO,
  WAIT_MS,
  type Wish,
} from "./steps.ts";
import type { Rule } from "./suite.ts";

// Which endpoints are near enough: by the hints of slices, and by externalTrafficPolicy Local.

const hinted = (pod: Pod, zone: string, node?: string): Pod => ({
  ...pod,
  hints: { forZones: [{ name: zone }], ...(node ? { forNodes: [{ name: node }] } : {}) },
});

/** Waits until connections are spread over these endpoints. */
async function goesTo(agent: Agent, ip: string, names: string): Promise<void> {
  const probe = async () => (await spread(agent, ip, 80)).join() === names;
  await waitFor(`${ip} to lead to ${names}`, probe, { clock, timeout_ms: WAIT_MS });
}

/** A Service with external addresses, for which clients outside get endpoints of this node. */
const external = (name: string, ip: string, addresses: readonly [string, string]): Wish => ({
  name,
  ip,
  endpoints: [elsewhere(ONE), TWO],
  balancer: [addresses[1]],
  spec: { type: "LoadBalancer", externalTrafficPolicy: "Local", externalIPs: [addresses[0]] },
});

export const NEAR: readonly Rule[] = [
  {
    name: "hints keep connections in the node's zone, unless an endpoint has none",
    async run({ one, outside }, served) {
      const wish = { name: "zoned", ip: "10.96.6.1" };
      const near = [hinted(ONE, "elsewhere"), hinted(TWO, NODE_ZONE)];
      await serve(served, { ...wish, endpoints: near });
      for (const agent of [one, outside]) await goesTo(agent, wish.ip, "two");
      await serve(served, { ...wish, endpoints: [ONE, hinted(TWO, NODE_ZONE)] });
      for (const agent of [one, outside]) await goesTo(agent, wish.ip, "one,two");
    },
  },
  {
    name: "hints for this node come before those for its zone",
    async run({ one, outside }, served) {
      const ip = "10.96.6.2";
      const endpoints = [hinted(ONE, NODE_ZONE, "elsewhere"), hinted(TWO, NODE_ZONE, NODE_NAME)];
      await serve(served, { name: "placed", ip, endpoints });
      for (const agent of [one, outside]) await goesTo(agent, ip, "two");
    },
  },
  {
    name: "external addresses with externalTrafficPolicy Local use endpoints of this node only",
    async run({ outside }, served) {
      const addresses = ["203.0.113.11", "203.0.113.12"] as const;
      await serve(served, external("exl", "10.96.6.3", addresses));
      for (const address of addresses) {
        await answers(outside, [address, 80], /^two /);
        assert.deepEqual(await spread(outside, address, 80), ["two"]);
      }
    },
  },
  {
    name: "external addresses with externalTrafficPolicy Local keep the client's address",
    async run({ outside }, served) {
      const addresses = ["203.0.113.13", "203.0.113.14"] as const;
      await serve(served, external("exk", "10.96.6.4", addresses));
      for (const address of addresses) {
        const expected = `two ${ADDRESSES.outside}`;
        assert.equal(await answers(outside, [address, 80], /^two /), expected);
      }
    },
  },
  {
    name: "a pod reaches itself through a node port and an external address with Local",
    async run({ one }, served) {
      const address = "203.0.113.15";
      const wish = external("exs", "10.96.6.5", [address, "203.0.113.16"]);
      await serve(served, { ...wish, endpoints: [ONE], nodePort: 30093 });
      await answers(one, [ADDRESSES.node, 30093], /^one /);
      await answers(one, [address, 80], /^one /);
    },
  },
];
