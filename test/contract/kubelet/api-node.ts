import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { KubeletOptions } from "@raft2kube/kubelet/main.ts";
import { issueCertificate } from "@raft2kube/pki/certificate.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { type ControlPlane, startControlPlane } from "../controllers/control-plane.ts";
import type { Implementation } from "../cri/implementation.ts";
import { ours } from "../cri/ours.ts";
import { Node } from "./fixture.ts";

const clock = systemClock();

/**
 * A node under an API server with its controllers and scheduler; with our runtime unless another
 * is given. Restricted pods have users of their own by default, as in a cluster of `r2k start`.
 */
export interface ApiNode {
  plane: ControlPlane;
  node: Node;
  close(): Promise<void>;
}

export async function startApiNode(
  options: Partial<KubeletOptions> = {},
  implementation: Implementation = ours("crun"),
): Promise<ApiNode> {
  let plane: ControlPlane | undefined;
  const node = await Node.start(implementation, async () => {
    plane = await startControlPlane({ admission: { enable: ["DefaultUserNamespaces"] } });
    const identity = await plane.connection("system:node:node", ["system:nodes"]);
    const server = { commonName: "node", usages: ["server" as const], ipAddresses: ["127.0.0.1"] };
    const pair = await issueCertificate(plane.ca, { ...server, days: 1 }, clock.now());
    return {
      client: new KubeClient({ ...identity, clock }),
      server: { ...pair, clientCa: plane.ca.cert, listen: { host: "127.0.0.1", port: 0 } },
      ...options,
    };
  });
  return {
    plane: plane!,
    node,
    async close() {
      await node.close();
      await plane?.close();
    },
  };
}
