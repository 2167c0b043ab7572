import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import type { Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { enterNetns } from "@raft2kube/linux/netns.ts";
import { ours } from "../../proxy/ours.ts";
import { udpIn } from "./injection.ts";
import type { Machine, Pod, World } from "./world.ts";

export const SERVICE = "10.96.0.55";
const NAME = "far";
const ECHO_MS = 10_000;

/** Leads the Service's port of TCP and UDP to a pod, by our proxy's rules on a machine. */
export async function leadTo(
  world: World,
  { netns }: Machine,
  { address }: Pod,
  port: number,
): Promise<void> {
  const ports = (["TCP", "UDP"] as const).map((protocol) => {
    return { name: protocol.toLowerCase(), protocol, port };
  });
  const metadata = { namespace: "default", name: NAME };
  const service: Service = {
    metadata, spec: { type: "ClusterIP", clusterIP: SERVICE, clusterIPs: [SERVICE], ports },
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
    enterNetns(join(world.root, "ns-underlay"));
  }
}

/** A server in a pod that sends each datagram back. */
export function echoDatagrams(world: World, { netns, address }: Pod, port: number): void {
  const server = udpIn(netns, address, port);
  server.on("message", (data, from) => server.send(data, from.port, from.address));
  world.later(() => void server.close());
}

/** Whether a datagram of a size comes back whole from the Service; false when none comes. */
export async function echoes({ netns, address }: Pod, port: number, size: number) {
  const client = udpIn(netns, address);
  try {
    const data = randomBytes(size);
    const answer = once(client, "message", { signal: AbortSignal.timeout(ECHO_MS) });
    client.send(data, port, SERVICE);
    const [received, from] = (await answer) as [Buffer, { address: string }];
    return received.equals(data) && from.address === SERVICE;
  } finally {
    client.close();
  }
}
