import {
  PERSISTENT_VOLUMES,
  PERSISTENT_VOLUME_CLAIMS,
  STORAGE_CLASSES,
} from "@raft2kube/client-kube/rest/resources.ts";
import { ControllerServiceCapability_RPC_Type as Rpc } from "@raft2kube/proto/gen/csi.ts";
import { startBesideDriver, type BesideDriverOptions, type SidecarSet } from "./beside-driver.ts";
import { assertProvisions } from "./driver-identity.ts";
import { Provisioner } from "./provision-loop.ts";
import { Resizer } from "./resize-loop.ts";

const PROVISIONER: SidecarSet = {
  name: "csi-provisioner",
  reads: [PERSISTENT_VOLUME_CLAIMS, PERSISTENT_VOLUMES, STORAGE_CLASSES],
  check: assertProvisions,
  loops: (options) => {
    const resizes = options.driver.capabilities.has(Rpc.EXPAND_VOLUME);
    return [new Provisioner(options), ...(resizes ? [new Resizer(options)] : [])];
  },
};

/**
 * Starts the provisioner beside a driver: claims become volumes, released volumes are deleted, and
 * volumes grow where the driver can. The client may read claims and classes and write volumes.
 */
export function startProvisioner(
  options: BesideDriverOptions,
): Promise<{ ready: Promise<void>; close(): Promise<void> }> {
  return Promise.resolve(startBesideDriver(options, PROVISIONER));
}
