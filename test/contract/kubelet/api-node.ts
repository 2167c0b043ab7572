import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { KubeletOptions } from "@raft2kube/kubelet/main.ts";
import { issueCertificate } from "@raft2kube/pki/certificate.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { startWorld, type World } from "../controllers/world.ts";
import type { Implementation } from "../cri/implementation.ts";
import { ours } from "../cri/ours.ts";
import { Node } from "./fixture.ts";

const clock = systemClock();

/**
 * A node under an API server with its controllers and scheduler; with our runtime unless another
 * is given.
 */
export interface ApiNode {
  world: World;
  node: Node;
  close(): Promise<void>;
}

export async function startApiNode(
  options: Partial<KubeletOptions> = {},
  implementation: Implementation = ours("crun"),
): Promise<ApiNode> {
  let world: World | undefined;
  const node = await Node.start(implementation, async () => {
    world = await startWorld();
    const identity = await world.connection("system:node:node", ["system:nodes"]);
    const server = { commonName: "node", usages: ["server" as const], ipAddresses: ["127.0.0.1"] };
    const pair = await issueCertificate(world.ca, { ...server, days: 1 }, clock.now());
    return {
      client: new KubeClient({ ...identity, clock }),
      server: { ...pair, clientCa: world.ca.cert, listen: { host: "127.0.0.1", port: 0 } },
      ...options,
    };
  });
  return {
    world: world!,
    node,
    async close() {
      await node.close();
      await world?.close();
    },
  };
}
