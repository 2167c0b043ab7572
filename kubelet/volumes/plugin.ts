import type {
  Container,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
  Volume,
} from "@raft2kube/api/gen/core/v1.ts";
import type { InTreeField } from "@raft2kube/client-kube/object/in-tree-kinds.ts";
import type { TreeUsage } from "@raft2kube/linux/beneath/tree-usage.ts";
import type { FilesBudget } from "./files.ts";
import type { VolumeUsage } from "./volume-usage.ts";

/** A pod's volume after its claim, if it has one, was resolved to the bound PersistentVolume. */
export interface VolumeSpec {
  /** The name under `spec.volumes`; also the last part of the volume's directory. */
  name: string;
  volume: Volume;
  /**
   * Claim and volume of persistentVolumeClaim and ephemeral volumes, bound to each other. A volume
   * of an in-tree kind without a claim has no `pvc`. `pv` is translated to CSI.
   */
  claim?: { pvc?: PersistentVolumeClaim; pv: PersistentVolume };
  /** The in-tree kind that `pv` was translated from. */
  inTree?: InTreeField;
}

export interface SetUpRequest {
  pod: Pod;
  spec: VolumeSpec;
  /**
   * `<rootDir>/pods/<uid>/volumes/<plugin name>/<volume name>`: this volume's own directory. Its
   * parent exists.
   */
  dir: string;
  /** securityContext.fsGroup of the pod, when files are to belong to that group. */
  fsGroup: number | undefined;
  /** Whether every user of the volume in the pod reads it only. */
  readOnly: boolean;
  /** The pod's budget for files made from objects. */
  budget: FilesBudget;
  /** Monotonic time before which the volume's objects were not read (ObjectReadOptions). */
  since_ms?: number;
  /** Whether this process has set the volume up for the pod before. */
  refresh?: boolean;
}

/** A volume that containers can mount. */
export type ReadyVolume =
  | { kind: "filesystem"; hostPath: string; readOnly: boolean }
  | { kind: "block"; devicePath: string; readOnly: boolean }
  /** An image that the runtime mounts, pulled when a container that uses it is started. */
  | { kind: "image"; image: string; pullPolicy: Container["imagePullPolicy"] };

/** Request to measure a volume of a running pod, found on disk. */
export interface UsageRequest {
  dir: string;
  /** Usage beneath `dir`, if it is measured already. */
  measured: TreeUsage | undefined;
}

/** Request to remove a volume, found on disk: the pod may be deleted from the API. */
export interface TearDownRequest {
  podUid: string;
  volumeName: string;
  dir: string;
  /** A mount beneath `dir`, not on it, if there was one. */
  inside: string | undefined;
  /** The owner of its large files (`removeTree`): the pod's namespace. */
  owner?: string | undefined;
}

/**
 * One kind of volume. Every call is idempotent and may follow a kubelet restart, so what tearDown
 * needs must be found under `dir` or derived from it.
 */
export interface VolumePlugin {
  /** The name on disk, upstream's with `~` for `/`: `kubernetes.io~empty-dir`. */
  readonly name: string;
  /** Whether this plugin serves the volume; exactly one registered plugin may say yes. */
  supports(spec: VolumeSpec): boolean;
  /**
   * Makes the volume ready. Called again on every sync of a running pod, which is how changing
   * sources (ConfigMap, Secret, token) are refreshed. Throws VolumeError; the pod then gets a
   * FailedMount event and is tried again with back-off.
   */
  setUp(request: SetUpRequest): Promise<ReadyVolume>;
  /** Unmounts and removes `dir`. Never deletes through a mount. Succeeds when nothing is there. */
  tearDown(request: TearDownRequest): Promise<void>;
  /** Returns the volume's usage for statistics; absent for kinds that cannot be measured. */
  usage?(request: UsageRequest): Promise<VolumeUsage | undefined>;
}
