import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { serveDriver } from "@raft2kube/csi/lib/serve-driver.ts";
import { CsiDrivers } from "@raft2kube/kubelet/plugins/csi-drivers.ts";
import { startPluginWatcher } from "@raft2kube/kubelet/plugins/plugin-watcher.ts";
import { unmount } from "@raft2kube/linux/mount/mount.ts";
import { mountPointsBelow } from "@raft2kube/linux/mount/mountinfo.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import {
  DRIVER_NAME,
  openAttachingDriver,
} from "../../test/e2e/storage-faults/attaching-driver.ts";
import { VolumeKubelet } from "../../test/e2e/storage-faults/volume-kubelet.ts";

/** A node in this process: the attaching driver on its socket, and a kubelet's volumes. */
export async function startNode(
  client: KubeClient,
  nodeName: string,
  dir: string,
): Promise<{ driverSocket: string; close(): Promise<void> }> {
  const { clock } = client;
  const socket = join(dir, "csi.sock");
  const registryDir = join(dir, "registry");
  mkdirSync(registryDir);
  const dataDir = join(dir, "driver");
  const driver = await openAttachingDriver({ dataDir, form: "directory", nodeId: nodeName, clock });
  const served = await serveDriver(
    { driverName: DRIVER_NAME, socket, registrationDir: registryDir },
    driver.services,
  );
  const drivers = new CsiDrivers({ added: async () => {}, removed: async () => {} });
  const handlers = { CSIPlugin: drivers };
  const watcher = await startPluginWatcher({ registryDir, handlers, clock });
  await waitFor("the driver's registration", () => drivers.list().length === 1, { clock });
  const rootDir = join(dir, "kubelet");
  mkdirSync(rootDir);
  const kubelet = await VolumeKubelet.start({ client, nodeName, rootDir, drivers, clock });
  return {
    driverSocket: socket,
    async close() {
      await kubelet.close();
      await watcher.close();
      drivers.close();
      await served.close();
      for (const point of mountPointsBelow(dir)) unmount(point, { detach: true });
    },
  };
}
