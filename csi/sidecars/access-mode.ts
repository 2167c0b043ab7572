import {
  ControllerServiceCapability_RPC_Type as Rpc,
  VolumeCapability_AccessMode_Mode as Mode,
} from "@raft2kube/proto/gen/csi.ts";
import { ProvisioningError } from "./provisioning-error.ts";

/** Returns CSI's access mode for a claim's. Throws ProvisioningError for an unknown one. */
export function accessModeOf(mode: string, capabilities: ReadonlySet<number>): number {
  const distinguishes = capabilities.has(Rpc.SINGLE_NODE_MULTI_WRITER);
  switch (mode) {
    case "ReadWriteOnce":
      return distinguishes ? Mode.SINGLE_NODE_MULTI_WRITER : Mode.SINGLE_NODE_WRITER;
    case "ReadWriteOncePod":
      return distinguishes ? Mode.SINGLE_NODE_SINGLE_WRITER : Mode.SINGLE_NODE_WRITER;
    case "ReadOnlyMany":
      return Mode.MULTI_NODE_READER_ONLY;
    case "ReadWriteMany":
      return Mode.MULTI_NODE_MULTI_WRITER;
    default:
      throw new ProvisioningError("AccessMode", `access mode ${mode} is not known`);
  }
}
