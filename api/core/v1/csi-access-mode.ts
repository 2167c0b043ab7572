import { VolumeCapability_AccessMode_Mode as Mode } from "@raft2kube/proto/gen/csi.ts";
import { own } from "@raft2kube/std/own.ts";

/** CSI's access mode by a volume's, and the one for a driver that distinguishes single writers. */
const MODES: Readonly<Record<string, readonly [plain: Mode, distinguished: Mode]>> = {
  ReadWriteOnce: [Mode.SINGLE_NODE_WRITER, Mode.SINGLE_NODE_MULTI_WRITER],
  ReadWriteOncePod: [Mode.SINGLE_NODE_WRITER, Mode.SINGLE_NODE_SINGLE_WRITER],
  ReadOnlyMany: [Mode.MULTI_NODE_READER_ONLY, Mode.MULTI_NODE_READER_ONLY],
  ReadWriteMany: [Mode.MULTI_NODE_MULTI_WRITER, Mode.MULTI_NODE_MULTI_WRITER],
};

/**
 * Returns CSI's access mode for a claim's or volume's, undefined for an unknown one. ReadWriteOnce
 * means one node and many pods, which a driver with SINGLE_NODE_MULTI_WRITER distinguishes.
 */
export function csiAccessMode(mode: string, distinguishes: boolean): Mode | undefined {
  return own(MODES, mode)?.[distinguishes ? 1 : 0];
}
