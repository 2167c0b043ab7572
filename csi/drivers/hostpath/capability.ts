import {
  VolumeCapability_AccessMode_Mode as Mode,
  type VolumeCapability,
  type VolumeCapability_AccessMode,
  type VolumeCapability_MountVolume,
} from "@raft2kube/proto/gen/csi.ts";
import { failedPrecondition, invalidArgument } from "../../lib/errors.ts";

/** Volumes exist on one node: those that several nodes must reach are refused. */
const MODES: ReadonlySet<number> = new Set([
  Mode.SINGLE_NODE_WRITER,
  Mode.SINGLE_NODE_READER_ONLY,
  Mode.SINGLE_NODE_SINGLE_WRITER,
  Mode.SINGLE_NODE_MULTI_WRITER,
]);

const MODE_NAMES = new Map(Object.entries(Mode).map(([name, value]) => [value as number, name]));

/** Mount flags a bind mount can carry of its own. */
const BIND_FLAGS = ["ro", "rw", "noexec", "nosuid", "nodev"];

/**
 * Why the driver cannot give a volume with this capability, or undefined when it can. A request
 * that is not well-formed throws INVALID_ARGUMENT instead.
 */
export function unsupported(capability: VolumeCapability): string | undefined {
  const mode = capability.accessMode?.mode ?? Mode.UNKNOWN;
  if (!capability.mount && !capability.block) {
    throw invalidArgument("volume_capability has no access_type");
  }
  if (mode === Mode.UNKNOWN) throw invalidArgument("volume_capability has no access_mode");
  if (!MODES.has(mode)) {
    const name = MODE_NAMES.get(mode) ?? String(mode);
    return `access mode ${name} is not supported: the volume exists on one node`;
  }
  return capability.mount && unsupportedMount(capability.mount);
}

function unsupportedMount(mount: VolumeCapability_MountVolume): string | undefined {
  const { mountFlags, volumeMountGroup } = mount;
  const flag = mountFlags.find((flag) => !BIND_FLAGS.includes(flag));
  if (flag !== undefined) return `mount flag ${JSON.stringify(flag)} is not one of a bind mount`;
  if (volumeMountGroup !== "") return "volume_mount_group is not supported";
  return undefined;
}

/**
 * Checks the capabilities of a new volume, and returns whether it is to be a block device. Throws
 * INVALID_ARGUMENT.
 */
export function requireCapabilities(capabilities: readonly VolumeCapability[]): boolean {
  if (capabilities.length === 0) throw invalidArgument("volume_capabilities is missing");
  for (const capability of capabilities) {
    const why = unsupported(capability);
    if (why !== undefined) throw invalidArgument(why);
  }
  const blocks = capabilities.filter(({ block }) => block !== undefined);
  if (blocks.length > 0 && blocks.length < capabilities.length) {
    throw invalidArgument("volume_capabilities name both access types, block and mount");
  }
  return blocks.length > 0;
}

/** A capability that passed its checks; without `mount` it is one of a block device. */
export interface CheckedCapability {
  mount?: VolumeCapability_MountVolume | undefined;
  accessMode: VolumeCapability_AccessMode;
}

/** The capability a node call works with. Throws INVALID_ARGUMENT, or FAILED_PRECONDITION. */
export function requireCapability(capability: VolumeCapability | undefined): CheckedCapability {
  if (!capability) throw invalidArgument("volume_capability is missing");
  const why = unsupported(capability);
  if (why !== undefined) throw failedPrecondition(why);
  return capability as CheckedCapability;
}
