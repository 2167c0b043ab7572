import { csiAccessMode } from "@raft2kube/api/core/v1/csi-access-mode.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { CSIDriver } from "@raft2kube/api/gen/storage/v1.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import {
  NodeServiceCapability_RPC_Type as Capability,
  VolumeCapability_AccessMode_Mode as Mode,
  type VolumeCapability,
} from "@raft2kube/proto/gen/csi.ts";
import { nameOf, namespaceOf, uidOf } from "../pods/pod-identity.ts";
import { inlineVolumeHandle } from "./csi-paths.ts";
import type { VolumeSpec } from "./plugin.ts";
import { VolumeError } from "./volume-error.ts";

export type SecretName = { namespace: string; name: string };

/** Arguments of the calls to the driver, planned before the first call. */
export interface CsiMountPlan {
  driver: string;
  volumeHandle: string;
  lifecycle: "Persistent" | "Ephemeral";
  capability: Init<VolumeCapability>;
  volumeContext: Record<string, string>;
  readOnly: boolean;
  stageSecret: SecretName | undefined;
  publishSecret: SecretName | undefined;
  /**
   * Whether the kubelet applies the pod's fsGroup; drivers with VOLUME_MOUNT_GROUP do it
   * themselves.
   */
  ownedByFsGroup: boolean;
  /** The policy by which that was decided. */
  fsGroupPolicy: string;
  /** Whether the volume must be attached to the node first. */
  attaches: boolean;
  /** Whether NodePublishVolume is repeated at each sync, for drivers whose content changes. */
  republish: boolean;
}

/** Returns the driver of a persistent or inline CSI volume; undefined for other kinds. */
export function driverOf(spec: VolumeSpec): string | undefined {
  return spec.volume.csi?.driver ?? spec.claim?.pv.spec.csi?.driver;
}

/** Whether containers get a block device, not a file system. */
export const isBlock = ({ claim }: VolumeSpec): boolean => claim?.pv.spec.volumeMode === "Block";

/** Whether the pod, or the volume itself, allows reading only. */
export function isReadOnly({ volume, claim }: VolumeSpec): boolean {
  if (volume.csi) return volume.csi.readOnly ?? false;
  return (claim?.pv.spec.csi?.readOnly || volume.persistentVolumeClaim?.readOnly) ?? false;
}

/**
 * Plans the mount of a CSI volume. Throws VolumeError NotSupported for unsupported requests.
 * `object` is the driver's CSIDriver; without it upstream's defaults hold. Pure.
 */
export function planCsiMount(
  pod: Pod,
  spec: VolumeSpec,
  object: CSIDriver | undefined,
  capabilities: ReadonlySet<number>,
  fsGroup: number | undefined,
): CsiMountPlan {
  const plan = spec.volume.csi ? planInline(pod, spec, object) : planPersistent(spec, capabilities);
  const { block, mount = {}, accessMode } = plan.capability;
  const mountsGroup = capabilities.has(Capability.VOLUME_MOUNT_GROUP);
  const volumeMountGroup = mountsGroup && fsGroup !== undefined ? String(fsGroup) : "";
  return {
    ...plan,
    capability: block
      ? { block, accessMode }
      : { mount: { ...mount, volumeMountGroup }, accessMode },
    volumeContext: { ...plan.volumeContext, ...podInfo(pod, plan.lifecycle, object) },
    attaches: plan.lifecycle === "Persistent" && object?.spec.attachRequired !== false,
    ownedByFsGroup: !block && !mountsGroup && !plan.readOnly && fsGroupApplies(spec, object),
    fsGroupPolicy: fsGroupPolicyOf(object),
    republish: object?.spec.requiresRepublish ?? false,
  };
}

type PartialPlan = Omit<
  CsiMountPlan,
  "attaches" | "ownedByFsGroup" | "fsGroupPolicy" | "republish"
>;

function planInline(pod: Pod, spec: VolumeSpec, object: CSIDriver | undefined): PartialPlan {
  const source = spec.volume.csi!;
  const modes = object?.spec.volumeLifecycleModes ?? ["Persistent"];
  if (!modes.includes("Ephemeral")) {
    const message = `volume mode "Ephemeral" not supported by driver ${source.driver}`;
    throw new VolumeError("NotSupported", message, {
      remedy: "use a PersistentVolumeClaim, or list Ephemeral in the CSIDriver's lifecycle modes",
    });
  }
  const secret = source.nodePublishSecretRef?.name;
  return {
    driver: source.driver,
    volumeHandle: inlineVolumeHandle(uidOf(pod), spec.name),
    lifecycle: "Ephemeral",
    capability: {
      mount: { fsType: source.fsType ?? "" },
      accessMode: { mode: Mode.SINGLE_NODE_WRITER },
    },
    volumeContext: source.volumeAttributes ?? {},
    readOnly: isReadOnly(spec),
    stageSecret: undefined,
    publishSecret: secret === undefined ? undefined : { namespace: namespaceOf(pod), name: secret },
  };
}

function planPersistent(spec: VolumeSpec, capabilities: ReadonlySet<number>): PartialPlan {
  const { pv } = spec.claim!;
  const source = pv.spec.csi!;
  return {
    driver: source.driver,
    volumeHandle: source.volumeHandle,
    lifecycle: "Persistent",
    capability: capabilityOf(spec, capabilities),
    volumeContext: source.volumeAttributes ?? {},
    readOnly: isReadOnly(spec),
    stageSecret: secretName(source.nodeStageSecretRef),
    publishSecret: secretName(source.nodePublishSecretRef),
  };
}

/** Returns how a persistent volume is used, for the driver. */
export function capabilityOf(
  spec: VolumeSpec,
  capabilities: ReadonlySet<number>,
): Init<VolumeCapability> {
  const { csi, accessModes, mountOptions = [] } = spec.claim!.pv.spec;
  const mount = { fsType: csi?.fsType ?? "", mountFlags: mountOptions };
  const mode = accessMode(accessModes?.[0], capabilities);
  return { ...(isBlock(spec) ? { block: {} } : { mount }), accessMode: { mode } };
}

function secretName(reference: { namespace?: string; name?: string } | undefined) {
  if (!reference?.name) return undefined;
  return { namespace: reference.namespace ?? "default", name: reference.name };
}

function accessMode(mode: string | undefined, capabilities: ReadonlySet<number>): number {
  const distinguishes = capabilities.has(Capability.SINGLE_NODE_MULTI_WRITER);
  const found = csiAccessMode(mode ?? "", distinguishes);
  if (found !== undefined) return found;
  throw new VolumeError("NotSupported", `access mode ${mode ?? "(none)"} is not known`);
}

function podInfo(
  pod: Pod,
  lifecycle: CsiMountPlan["lifecycle"],
  object: CSIDriver | undefined,
): Record<string, string> {
  const prefix = "csi.storage.k8s.io";
  // The attribute that marks an inline volume is always set, regardless of its CSIDriver.
  const inline = { [`${prefix}/ephemeral`]: String(lifecycle === "Ephemeral") };
  if (!object?.spec.podInfoOnMount) return lifecycle === "Ephemeral" ? inline : {};
  return {
    ...inline,
    [`${prefix}/pod.name`]: nameOf(pod),
    [`${prefix}/pod.namespace`]: namespaceOf(pod),
    [`${prefix}/pod.uid`]: uidOf(pod),
    [`${prefix}/serviceAccount.name`]: pod.spec.serviceAccountName ?? "default",
  };
}

function fsGroupPolicyOf(object: CSIDriver | undefined): string {
  return object?.spec.fsGroupPolicy ?? "ReadWriteOnceWithFSType";
}

/**
 * Returns whether fsGroup applies, by CSIDriver.spec.fsGroupPolicy; the default depends on file
 * system type and access mode.
 */
function fsGroupApplies(spec: VolumeSpec, object: CSIDriver | undefined): boolean {
  const policy = fsGroupPolicyOf(object);
  if (policy === "None") return false;
  if (policy === "File") return true;
  if (spec.volume.csi) return !!spec.volume.csi.fsType;
  const { pv } = spec.claim!;
  const single = pv.spec.accessModes?.some((mode) => mode.startsWith("ReadWriteOnce")) ?? false;
  return single && !!pv.spec.csi?.fsType;
}
