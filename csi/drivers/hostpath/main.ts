import type { Clock } from "@raft2kube/std/clock.ts";
import { serveDriver } from "../../lib/serve-driver.ts";
import { controllerService } from "./controller.ts";
import { openDriver } from "./driver.ts";
import { groupControllerService } from "./group-snapshots.ts";
import { identityService } from "./identity.ts";
import { nodeService } from "./node.ts";
import type { ContentForm } from "./volume-contents.ts";

export const HOSTPATH_DRIVER_NAME = "hostpath.csi.r2k.dev";

export interface HostPathOptions {
  /** The Unix socket that the CSI services answer on. */
  socket: string;
  /** Volumes, snapshots and the state file. */
  dataDir: string;
  /** The node's name: every volume belongs to the node it was made on. */
  nodeId: string;
  /** A kubelet's registry directory; left out, the driver registers nowhere. */
  registrationDir?: string;
  driverName?: string;
  /** The format of new volumes; detected if absent. */
  form?: ContentForm;
  /** Volumes that a scheduler may have in use on this node; unlimited if absent. */
  maxVolumesPerNode?: number;
  /** Keys that VolumeAttributesClasses may set on volumes; they are recorded and have no effect. */
  mutableParameters?: readonly string[];
  clock: Clock;
}

/**
 * Starts the hostPath driver: Identity, Controller and Node service of CSI 1.12 on one socket, and
 * its registration socket. Throws StateFileError when its state is damaged. `close` leaves mounts
 * and loop devices as they are, since pods use them.
 */
export async function startHostPathDriver(
  options: HostPathOptions,
): Promise<{ address: string; close(): Promise<void> }> {
  const { socket, nodeId, registrationDir } = options;
  const driverName = options.driverName ?? HOSTPATH_DRIVER_NAME;
  const place = { topologyKey: `topology.${driverName}/node`, nodeId };
  const driver = await openDriver({ ...options, place });
  const served = await serveDriver({ driverName, socket, registrationDir }, [
    identityService(driverName),
    controllerService(driver),
    groupControllerService(driver),
    nodeService(driver),
  ]);
  return {
    address: served.address,
    async close() {
      await served.close();
      driver.held[Symbol.dispose]();
    },
  };
}
