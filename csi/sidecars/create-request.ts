import type { PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import type { StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import type {
  CreateVolumeRequest,
  TopologyRequirement,
  VolumeCapability,
  VolumeContentSource,
} from "@raft2kube/proto/gen/csi.ts";
import { valueOf } from "@raft2kube/std/quantity.ts";
import { accessModeOf } from "./access-mode.ts";
import { ProvisioningError } from "./provisioning-error.ts";

/** Class parameters under this prefix are for the provisioner and not passed on. */
const PREFIX = "csi.storage.k8s.io/";
const FSTYPE = `${PREFIX}fstype`;

/** The volume's and the PersistentVolume's name: the same at each attempt. */
export function volumeNameOf(claim: PersistentVolumeClaim): string {
  return `pvc-${claim.metadata.uid ?? ""}`;
}

/**
 * The file system asked for by the class, empty when it leaves that to the driver. The deprecated
 * `fstype`, in any case, is also passed on. Throws ProvisioningError for several.
 */
export function fsTypeOf(storageClass: StorageClass): string {
  const named = Object.entries(storageClass.parameters ?? {}).filter(
    ([key]) => key === FSTYPE || key.toLowerCase() === "fstype",
  );
  if (named.length > 1) {
    const keys = named.map(([key]) => key).join(", ");
    throw new ProvisioningError("Parameter", `the parameters ${keys} exclude each other`);
  }
  return named[0]?.[1] ?? "";
}

/** Input of the request that is not in the claim or its class. */
export interface Surroundings {
  capabilities: ReadonlySet<number>;
  /** Topologies from which the volume must be reachable; undefined if the driver has none. */
  topology: Init<TopologyRequirement> | undefined;
  /** The volume to clone or snapshot to restore, for a claim with a data source. */
  source: VolumeContentSource | undefined;
  /** Parameters of the claim's VolumeAttributesClass. */
  mutableParameters: Record<string, string>;
  /** Whether the driver gets the names of claim and volume as parameters. */
  names?: boolean | undefined;
}

/**
 * Returns the CreateVolume request for a claim. Throws ProvisioningError for an unsupported field,
 * by its name. Pure.
 */
export function createVolumeRequest(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  { capabilities, topology, source, mutableParameters, names = false }: Surroundings,
): Init<CreateVolumeRequest> {
  if (claim.spec.selector) {
    throw new ProvisioningError("Selector", "claim Selector is not supported");
  }
  const requested = claim.spec.resources?.requests?.["storage"];
  if (requested === undefined) {
    throw new ProvisioningError("NoCapacity", "the claim requests no storage");
  }
  const limit = claim.spec.resources?.limits?.["storage"];
  return {
    name: volumeNameOf(claim),
    capacityRange: {
      requiredBytes: valueOf(requested),
      limitBytes: limit === undefined ? 0 : valueOf(limit),
    },
    volumeCapabilities: volumeCapabilities(claim, storageClass, capabilities),
    parameters: { ...parametersOf(storageClass), ...(names ? namesOf(claim) : {}) },
    mutableParameters,
    volumeContentSource: source,
    accessibilityRequirements: topology,
  };
}

function volumeCapabilities(
  claim: PersistentVolumeClaim,
  storageClass: StorageClass,
  capabilities: ReadonlySet<number>,
): Init<VolumeCapability>[] {
  const modes = claim.spec.accessModes ?? [];
  if (modes.length === 0) throw new ProvisioningError("AccessMode", "the claim has no access mode");
  const mount = { fsType: fsTypeOf(storageClass), mountFlags: storageClass.mountOptions ?? [] };
  const how = claim.spec.volumeMode === "Block" ? { block: {} } : { mount };
  return modes.map((mode) => ({ ...how, accessMode: { mode: accessModeOf(mode, capabilities) } }));
}

/** Upstream's keys of `--extra-create-metadata`. */
function namesOf(claim: PersistentVolumeClaim): Record<string, string> {
  const { name = "", namespace = "" } = claim.metadata;
  return {
    [`${PREFIX}pvc/name`]: name,
    [`${PREFIX}pvc/namespace`]: namespace,
    [`${PREFIX}pv/name`]: volumeNameOf(claim),
  };
}

function parametersOf(storageClass: StorageClass): Record<string, string> {
  const parameters: Record<string, string> = {};
  for (const [key, value] of Object.entries(storageClass.parameters ?? {})) {
    if (!key.startsWith(PREFIX)) parameters[key] = value;
    else if (key !== FSTYPE) {
      const where = `StorageClass ${storageClass.metadata.name ?? ""}`;
      throw new ProvisioningError("Parameter", `${where}: parameter ${key} is not supported`);
    }
  }
  return parameters;
}
