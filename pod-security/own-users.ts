import type { PodSpec, Volume } from "@raft2kube/api/gen/core/v1.ts";
import { violations } from "./evaluate.ts";
import { containersOf, isWindows, type Judged } from "./finding.ts";
import type { LevelVersion } from "./policy.ts";

/** The end of the ids of a pod's own user namespace, which start at 0 (KEP-127). */
const IDS_END = 65_536;
/** Resources that no device is mounted for. */
const PLAIN_RESOURCES = new Set(["cpu", "memory", "ephemeral-storage"]);
/** Volumes that the kubelet makes on the node's own file systems, which show mapped ids. */
const MAPPABLE = new Set(["configMap", "downwardAPI", "emptyDir", "projected", "secret"]);

/**
 * Whether a pod is restricted with the node's users, and runs in the same way with its own
 * (`hostUsers: false`). A pod that a level lets in only because it has its own is none of these:
 * the default must not widen the level.
 */
export function canHaveOwnUsers(
  level: LevelVersion,
  metadata: Judged["metadata"],
  spec: PodSpec,
): boolean {
  const pod = { metadata, spec, minor: 0 };
  return (
    spec.hostUsers === undefined &&
    level.level === "restricted" &&
    !isWindows(pod) &&
    !spec.runtimeClassName &&
    (spec.securityContext?.sysctls ?? []).length === 0 &&
    (spec.volumes ?? []).every(isMappable) &&
    containersOf(pod).every(isPlain) &&
    idsOf(pod).every((id) => id < IDS_END) &&
    violations(level, metadata, spec).length === 0
  );
}

function isMappable(volume: Volume): boolean {
  const medium = volume.emptyDir?.medium ?? "";
  return (
    Object.keys(volume).every((key) => key === "name" || MAPPABLE.has(key)) &&
    (medium === "" || medium === "Memory")
  );
}

/** Whether a container has no devices, and no mounts that propagate. */
function isPlain({ resources, volumeMounts = [], volumeDevices = [] }: Containers): boolean {
  const { requests = {}, limits = {} } = resources ?? {};
  const names = [...Object.keys(requests), ...Object.keys(limits)];
  return (
    names.every((name) => PLAIN_RESOURCES.has(name)) &&
    volumeDevices.length === 0 &&
    volumeMounts.every(({ mountPropagation = "None" }) => mountPropagation === "None")
  );
}

type Containers = ReturnType<typeof containersOf>[number];

/** The ids that a pod names. */
function idsOf(pod: Judged): number[] {
  const { fsGroup, supplementalGroups = [] } = pod.spec.securityContext ?? {};
  const contexts = [pod.spec, ...containersOf(pod)].map(({ securityContext }) => securityContext);
  const named = contexts.flatMap((each) => [each?.runAsUser, each?.runAsGroup]);
  return [...named, fsGroup, ...supplementalGroups].filter((id) => id !== undefined);
}
