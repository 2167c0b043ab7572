import { randomBytes } from "node:crypto";
import { on } from "node:events";
import { join } from "node:path";
import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { enterNetns } from "@raft2kube/linux/namespace/netns.ts";
import { ours } from "../../proxy/ours.ts";
import { udpIn } from "./injection.ts";
import type { Machine, Pod, Underlay } from "./underlay.ts";

export const SERVICE = "10.96.0.55";
const NAME = "far";
const ECHO_MS = 10_000;
/** The largest datagrams that fit into a socket's buffer. */
const DATAGRAMS_ON_THE_WAY = 8;

/** Leads the Service's port of TCP and UDP to a pod, by our proxy's rules on a machine. */
export async function leadTo(
  underlay: Underlay,
  { netns }: Machine,
  { address }: Pod,
  port: number,
): Promise<void> {
  const ports = (["TCP", "UDP"] as const).map((protocol) => {
    return { name: protocol.toLowerCase(), protocol, port };
  });
  const metadata = { namespace: "default", name: NAME };
  const service: Service = {
    metadata,
    spec: { type: "ClusterIP", clusterIP: SERVICE, clusterIPs: [SERVICE], ports },
  };
  const slice: EndpointSlice = {
    metadata: { ...metadata, labels: { "kubernetes.io/service-name": NAME } },
    addressType: "IPv4",
    ports,
    endpoints: [{ addresses: [address], nodeName: "elsewhere", conditions: { ready: true } }],
  };
  // Rules are made in the namespace of this process.
  enterNetns(netns);
  try {
    const proxy = await ours("nftables").start();
    await proxy.set(service, slice);
  } finally {
    enterNetns(join(underlay.root, "ns-underlay"));
  }
}

/** A server in a pod that sends each datagram back. */
export function echoDatagrams(underlay: Underlay, { netns, address }: Pod, port: number): void {
  const server = udpIn(netns, address, port);
  server.on("message", (data, from) => server.send(data, from.port, from.address));
  underlay.later(() => void server.close());
}

/**
 * Sends a datagram of each size to an echo, some of them at a time. Returns the sizes that did not
 * come back whole from there.
 */
export async function missingEchoes(
  { netns, address }: Pod,
  to: string,
  port: number,
  sizes: readonly number[],
  wait_ms = ECHO_MS,
): Promise<number[]> {
  const client = udpIn(netns, address);
  const data = randomBytes(Math.max(...sizes));
  const missing = new Set(sizes);
  const rest = sizes.values();
  const sendNext = () => {
    const { value } = rest.next();
    if (value !== undefined) client.send(data.subarray(0, value), port, to);
  };
  const signal = AbortSignal.timeout(wait_ms);
  try {
    const answers = on(client, "message", { signal });
    for (let sent = 0; sent < DATAGRAMS_ON_THE_WAY; sent++) sendNext();
    for await (const [received, from] of answers as AsyncIterable<[Buffer, { address: string }]>) {
      const isWhole = received.equals(data.subarray(0, received.length));
      if (isWhole && from.address === to) missing.delete(received.length);
      if (missing.size === 0) break;
      sendNext();
    }
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
  } finally {
    client.close();
  }
  return [...missing];
}
