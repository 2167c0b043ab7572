import { mkdir } from "node:fs/promises";
import path from "node:path";
import { serveGrpc, type RpcServer } from "@raft2kube/rpc/server.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { serveRegistration } from "../../lib/registration.ts";
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
  /** Volumes that a scheduler may have in use on this node at once; unlimited if absent. */
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
  await mkdir(path.dirname(socket), { recursive: true, mode: 0o750 });
  const server = await serveGrpc({
    services: [
      identityService(driverName),
      controllerService(driver),
      groupControllerService(driver),
      nodeService(driver),
    ],
    listen: { path: socket },
  });
  let registration: RpcServer | undefined;
  try {
    if (registrationDir !== undefined) {
      registration = await serveRegistration({ registrationDir, driverName, socket });
    }
  } catch (thrown) {
    await server.close();
    throw thrown;
  }
  return {
    address: server.address,
    async close() {
      await registration?.close();
      await server.close();
      driver.held[Symbol.dispose]();
    },
  };
}
