import {
  VolumeCapability_AccessMode_Mode as Mode,
  type VolumeCapability,
} from "@raft2kube/proto/gen/csi.ts";
import { invalidArgument } from "../../lib/errors.ts";
import { type MountOptions, mountOptionsOf, READ_ONLY } from "./mount-options.ts";

const MODES: ReadonlySet<number> = new Set(
  Object.values(Mode).filter((mode) => mode !== Mode.UNKNOWN),
);
const READERS: ReadonlySet<number> = new Set([
  Mode.SINGLE_NODE_READER_ONLY,
  Mode.MULTI_NODE_READER_ONLY,
]);

/** A capability after its checks. */
export type NfsCapability = { mode: number; mount: MountOptions };

/**
 * Reads a capability: a directory, for every access mode. Throws INVALID_ARGUMENT naming the field
 * of anything else.
 */
export function capabilityOf(capability: VolumeCapability | undefined): NfsCapability {
  if (!capability) throw invalidArgument("volume_capability is missing");
  if (capability.block) {
    throw invalidArgument("volume_capability.block is not supported: NFS has directories only");
  }
  if (!capability.mount) throw invalidArgument("volume_capability has no access_type");
  const mode = capability.accessMode?.mode ?? Mode.UNKNOWN;
  if (mode === Mode.UNKNOWN) throw invalidArgument("volume_capability has no access_mode");
  if (!MODES.has(mode)) throw invalidArgument(`access_mode ${mode} is not known`);
  const { fsType, mountFlags, volumeMountGroup } = capability.mount;
  if (fsType !== "" && fsType !== "nfs") {
    throw invalidArgument(`fs_type ${JSON.stringify(fsType)} is not nfs`);
  }
  if (volumeMountGroup !== "") throw invalidArgument("volume_mount_group is not supported");
  const mount = mountOptionsOf("mount_flags", mountFlags);
  if (READERS.has(mode)) mount.attributes |= READ_ONLY;
  return { mode, mount };
}

/** Reads the capabilities of a new volume; the options of all are for its first mount. */
export function capabilitiesOf(capabilities: readonly VolumeCapability[]): MountOptions {
  if (capabilities.length === 0) throw invalidArgument("volume_capabilities is missing");
  for (const capability of capabilities) capabilityOf(capability);
  const flags = capabilities.flatMap(({ mount }) => mount?.mountFlags ?? []);
  return mountOptionsOf("mount_flags", [...new Set(flags)]);
}
