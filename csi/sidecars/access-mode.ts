import { csiAccessMode } from "@raft2kube/api/core/v1/csi-access-mode.ts";
import { ControllerServiceCapability_RPC_Type as Rpc } from "@raft2kube/proto/gen/csi.ts";
import { ProvisioningError } from "./provisioning-error.ts";

/** Returns CSI's access mode for a claim's. Throws ProvisioningError for an unknown one. */
export function accessModeOf(mode: string, capabilities: ReadonlySet<number>): number {
  const found = csiAccessMode(mode, capabilities.has(Rpc.SINGLE_NODE_MULTI_WRITER));
  if (found !== undefined) return found;
  throw new ProvisioningError("AccessMode", `access mode ${mode} is not known`);
}
