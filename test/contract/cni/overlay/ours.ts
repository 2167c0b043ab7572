import { type OverlayHandle, startOverlay } from "@raft2kube/overlay/main.ts";
import { clock, type Machine, NETWORK, type Underlay } from "./underlay.ts";

/** Starts our overlay on a machine, under the node's own identity; not waited for. */
export async function startOurs(
  underlay: Underlay,
  { name, netns, subnetFile }: Machine,
  backend: object,
  more: Partial<Parameters<typeof startOverlay>[0]> = {},
): Promise<OverlayHandle> {
  const client = await underlay.client(`system:node:${name}`, ["system:nodes"]);
  const handle = await startOverlay({
    client,
    nodeName: name,
    netConf: { text: JSON.stringify({ Network: NETWORK, Backend: backend }) },
    subnetFile,
    netns,
    clock,
    ...more,
  });
  underlay.later(() => handle.close());
  return handle;
}

/** Our overlay as an implementation of the contract. */
export function ours(backend: object, ipMasq = false) {
  return {
    async start(underlay: Underlay, machine: Machine): Promise<OverlayHandle> {
      const handle = await startOurs(underlay, machine, backend, { ipMasq });
      await handle.ready;
      return handle;
    },
  };
}
