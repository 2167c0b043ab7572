import { resolve } from "node:path";
import type { Container, Pod, Volume } from "@raft2kube/api/gen/core/v1.ts";
import { NESTED_DIRECTORIES_MAX } from "../limits.ts";
import { VolumeError } from "./volume-error.ts";

type Mounts = NonNullable<Container["volumeMounts"]>;

/** The paths in each volume at which other mounts are. */
type Nested = ReadonlyMap<string, ReadonlySet<string>>;

const NONE: ReadonlySet<string> = new Set();
/** A pod's volumes are refreshed often, and its mounts stay. */
const KNOWN = new WeakMap<Pod, Nested>();

/**
 * Returns the paths relative to a volume at which containers mount others: directories that must be
 * there, since containers see the volume read-only. A mount below such a mount is not the volume's.
 * Only volumes of files have any: the runtime makes those in others. Throws VolumeError
 * `InvalidPath` when all of a pod have more than `NESTED_DIRECTORIES_MAX` directories. Source:
 * upstream's MakeNestedMountpoints (pkg/volume/util).
 */
export function nestedMounts(pod: Pod, volume: string): ReadonlySet<string> {
  let nested = KNOWN.get(pod);
  if (nested === undefined) KNOWN.set(pod, (nested = nestedOf(pod)));
  return nested.get(volume) ?? NONE;
}

function nestedOf({ spec }: Pod): Nested {
  const nested = new Map<string, Set<string>>();
  const ofFiles = new Set((spec.volumes ?? []).filter(hasFiles).map(({ name }) => name));
  let directories = 0;
  const { initContainers = [], containers, ephemeralContainers = [] } = spec;
  for (const { volumeMounts = [] } of [...initContainers, ...containers, ...ephemeralContainers]) {
    for (const [volume, path] of nestedIn(volumeMounts)) {
      const paths = nested.get(volume) ?? new Set();
      // Containers often mount the same.
      if (!ofFiles.has(volume) || paths.has(path)) continue;
      directories += path.split("/").length;
      if (directories > NESTED_DIRECTORIES_MAX) {
        const message = `mounts inside other volumes need more than ${NESTED_DIRECTORIES_MAX} directories`;
        throw new VolumeError("InvalidPath", message, { remedy: "use fewer, or shorter paths" });
      }
      nested.set(volume, paths.add(path));
    }
  }
  return nested;
}

const hasFiles = ({ configMap, secret, downwardAPI, projected }: Volume): boolean =>
  (configMap ?? secret ?? downwardAPI ?? projected) !== undefined;

/** Yields each mount inside another one: the outer one's volume, and the path in it. */
function* nestedIn(mounts: Mounts): Generator<[volume: string, path: string]> {
  const places = mounts.map(({ name, mountPath }) => ({
    name,
    // With its slash, a directory sorts right before all that is in it.
    path: `${resolve("/", mountPath).replace(/\/$/, "")}/`,
  }));
  const around: typeof places = [];
  for (const place of places.toSorted((a, b) => (a.path < b.path ? -1 : 1))) {
    while (around.length > 0 && !place.path.startsWith(around.at(-1)!.path)) around.pop();
    const outer = around.at(-1);
    const path = place.path.slice(outer?.path.length ?? 0, -1);
    if (outer && path !== "") yield [outer.name, path];
    around.push(place);
  }
}
