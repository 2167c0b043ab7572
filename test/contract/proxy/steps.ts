import assert from "node:assert/strict";
import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointHints, EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import {
  ADDRESSES,
  type Agent,
  type Protocol,
  TARGETS,
} from "../../../testing/network/node-network.ts";
import { waitFor } from "../../../testing/wait.ts";
import { NODE_NAME, type Served } from "./implementation.ts";

// The steps that the rules of the contract consist of.

export const clock = systemClock();
/** Long: upstream's kube-proxy tries again after 30 s where a sync failed on a busy machine. */
export const WAIT_MS = 90_000;
/** How long nothing must come where packets are dropped. */
export const SILENCE_MS = 400;
/** Connections enough that with two endpoints all go to one of them once in 2^23 times. */
const MANY = 24;

/** The kernel remembers UDP clients by their port, also those of the proxy judged before. */
let lastPort = 40_000;
export const freshPort = () => ++lastPort;

export interface Pod {
  address: string;
  /** The node that its slice names; empty: none. Default: the proxy's. */
  node?: string;
  hints?: EndpointHints;
  ready?: boolean;
  terminating?: boolean;
}
export const ONE: Pod = { address: ADDRESSES.one };
export const TWO: Pod = { address: ADDRESSES.two };
export const elsewhere = (pod: Pod): Pod => ({ ...pod, node: "elsewhere" });
export const unplaced = (pod: Pod): Pod => ({ ...pod, node: "" });

export interface Wish {
  name: string;
  ip: string;
  endpoints: Pod[];
  port?: number;
  nodePort?: number;
  protocol?: Protocol | "sctp";
  targetPort?: number;
  spec?: Partial<Service["spec"]>;
  balancer?: string[];
}

/** Makes the proxy serve one Service of one port. */
export async function serve(served: Served, wish: Wish): Promise<void> {
  const { name, ip, port = 80, nodePort, protocol = "tcp" } = wish;
  const api = protocol.toUpperCase() as "TCP" | "UDP" | "SCTP";
  const targetPort = wish.targetPort ?? (protocol === "udp" ? TARGETS.dns : TARGETS.http);
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

function endpointOf({ address, node = NODE_NAME, hints, ready = true, terminating = false }: Pod) {
  const conditions = { ready: ready && !terminating, serving: ready, terminating };
  return {
    addresses: [address],
    conditions,
    ...(node === "" ? {} : { nodeName: node }),
    ...(hints ? { hints } : {}),
  };
}

/** Waits until an agent gets an answer. Rules of others take effect later. */
export async function answers(
  agent: Agent,
  [ip, port]: readonly [string, number],
  expected: RegExp,
  options: Parameters<Agent["ask"]>[2] = {},
  within_ms = WAIT_MS,
): Promise<string> {
  let last = "";
  const probe = async () => {
    last = await agent.ask(ip, port, { timeout_ms: 1_000, ...options });
    return expected.test(last) ? last : undefined;
  };
  try {
    return await waitFor(`${ip}:${port} to answer ${expected}`, probe, {
      clock,
      timeout_ms: within_ms,
    });
  } catch (thrown) {
    throw new assert.AssertionError({
      message: `${ip}:${port} answered ${last}, not ${expected}: ${String(thrown)}`,
    });
  }
}

/** The names of the endpoints that served many connections. */
export async function spread(agent: Agent, ip: string, port: number): Promise<string[]> {
  const names = new Set<string>();
  for (let at = 0; at < MANY; at++) names.add((await agent.ask(ip, port)).split(" ")[0] ?? "");
  return [...names].sort();
}

export const REFUSED = /^(refused|reset)$/;
