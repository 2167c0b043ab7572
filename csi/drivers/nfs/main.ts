import type { Clock } from "@raft2kube/std/clock.ts";
import { PendingOperations } from "../../lib/pending-operations.ts";
import { serveDriver } from "../../lib/serve-driver.ts";
import { controllerService } from "./controller.ts";
import type { NfsDriver } from "./driver.ts";
import { identityService } from "./identity.ts";
import { nfsMounter } from "./in-share/mounter.ts";
import { mountOptionsOf } from "./mount-options.ts";
import { nodeService } from "./node.ts";
import { Removals } from "./removals.ts";
import { SHARE_PROCESS, ShareProcesses } from "./share-processes.ts";

export const NFS_DRIVER_NAME = "nfs.csi.r2k.dev";

export interface NfsOptions {
  /** The Unix socket that the CSI services answer on. */
  socket: string;
  nodeId: string;
  /** A kubelet's registry directory; left out, the driver registers nowhere. */
  registrationDir?: string;
  driverName?: string;
  /** Mount options of the Controller service where a class has none. */
  mountOptions?: readonly string[];
  /** The program of the driver's processes, and the source of a mount; a test has other ones. */
  seam?: { process: URL; sourceOfMount: NfsDriver["sourceOfMount"] };
  clock: Clock;
}

/**
 * Starts the NFS driver: Identity, Controller and Node service of CSI 1.12 on one socket, and its
 * registration socket. It keeps no state: records are in the shares, mounts in the kernel. `close`
 * leaves mounts as they are, since pods use them.
 */
export async function startNfsDriver(
  options: NfsOptions,
): Promise<{ address: string; close(): Promise<void> }> {
  const { socket, nodeId, registrationDir, clock, mountOptions = [] } = options;
  const driverName = options.driverName ?? NFS_DRIVER_NAME;
  const processes = new ShareProcesses({ program: options.seam?.process ?? SHARE_PROCESS, clock });
  const driver: NfsDriver = {
    nodeId,
    processes,
    removals: new Removals(processes),
    pending: new PendingOperations(),
    mount: mountOptionsOf("mountOptions", mountOptions),
    sourceOfMount: options.seam?.sourceOfMount ?? nfsMounter.sourceOfMount,
    clock,
  };
  const services = [identityService(driverName), controllerService(driver), nodeService(driver)];
  const served = await serveDriver({ driverName, socket, registrationDir }, services);
  return {
    address: served.address,
    async close() {
      await served.close();
      processes.close();
    },
  };
}
