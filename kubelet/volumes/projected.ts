import { mkdir } from "node:fs/promises";
import type { Pod, Volume, VolumeProjection } from "@raft2kube/api/gen/core/v1.ts";
import { setDirectoryMode } from "@raft2kube/linux/beneath/directory-mode.ts";
import { FILES_OF_POD_BYTES_MAX } from "../limits.ts";
import { namespaceOf } from "../pods/pod-identity.ts";
import { AtomicWriter } from "./atomic-writer.ts";
import { mountMemory, removeVolumeDir } from "./disk.ts";
import { Files } from "./files.ts";
import { applyFsGroup } from "./fs-group.ts";
import { nestedMounts } from "./nested-mounts.ts";
import type { VolumePlugin } from "./plugin.ts";
import { addDownward, addKeysOf, addToken, type ProjectionSources } from "./projection.ts";
import { VolumeError } from "./volume-error.ts";
import { directoryUsage } from "./volume-usage.ts";

const MODE_DEFAULT = 0o644;
/** The old files exist beside the new ones until these are visible: hence twice the size. */
const MEMORY_OPTIONS = `size=${2 * FILES_OF_POD_BYTES_MAX}`;

/**
 * Returns a plugin for volumes whose files are made from objects: gathered at each sync, replaced
 * atomically.
 */
function filesPlugin(options: {
  name: string;
  /** Whether the files are in memory, because they are secret. */
  memory: boolean;
  sources: ProjectionSources;
  supports(volume: Volume): boolean;
  gather(files: Files, pod: Pod, volume: Volume, sources: ProjectionSources): Promise<void>;
}): VolumePlugin {
  const writer = new AtomicWriter();
  return {
    name: options.name,
    supports: ({ volume }) => options.supports(volume),
    async setUp({ pod, spec, dir, fsGroup, budget, since_ms = -Infinity, refresh = false }) {
      const files = new Files(budget);
      const sources = { ...options.sources, read: { orLast: refresh, since_ms } };
      await options.gather(files, pod, spec.volume, sources);
      if (options.memory) await mountMemory(dir, MEMORY_OPTIONS);
      else await mkdir(dir, { recursive: true });
      setDirectoryMode(dir, 0o777);
      const own = (fresh: string) => applyFsGroup(fresh, fsGroup, true);
      const nested = nestedMounts(pod, spec.name);
      await writer.write(dir, files.payload, { owner: namespaceOf(pod), own, nested });
      return { kind: "filesystem", hostPath: dir, readOnly: true };
    },
    async tearDown(request) {
      writer.forget(request.dir);
      await removeVolumeDir(request);
    },
    usage: ({ dir, measured }) => directoryUsage(dir, measured),
  };
}

/** `configMap` volumes. */
export function configMapPlugin(sources: ProjectionSources): VolumePlugin {
  return filesPlugin({
    name: "kubernetes.io~configmap",
    memory: false,
    sources,
    supports: (volume) => volume.configMap !== undefined,
    async gather(files, pod, volume, current) {
      const { defaultMode = MODE_DEFAULT, ...source } = volume.configMap!;
      await addKeysOf("configMap", files, pod, source, defaultMode, current);
    },
  });
}

/** `secret` volumes. */
export function secretPlugin(sources: ProjectionSources): VolumePlugin {
  return filesPlugin({
    name: "kubernetes.io~secret",
    memory: true,
    sources,
    supports: (volume) => volume.secret !== undefined,
    async gather(files, pod, volume, current) {
      const { secretName, defaultMode = MODE_DEFAULT, ...source } = volume.secret!;
      const named = { ...source, ...(secretName === undefined ? {} : { name: secretName }) };
      await addKeysOf("secret", files, pod, named, defaultMode, current);
    },
  });
}

/** `downwardAPI` volumes. */
export function downwardApiPlugin(sources: ProjectionSources): VolumePlugin {
  return filesPlugin({
    name: "kubernetes.io~downward-api",
    memory: true,
    sources,
    supports: (volume) => volume.downwardAPI !== undefined,
    async gather(files, pod, volume, current) {
      const { defaultMode = MODE_DEFAULT, ...source } = volume.downwardAPI!;
      addDownward(files, pod, source, defaultMode, current);
    },
  });
}

/** `projected` volumes: several sources in one directory, tokens among them. */
export function projectedPlugin(sources: ProjectionSources): VolumePlugin {
  return filesPlugin({
    name: "kubernetes.io~projected",
    memory: true,
    sources,
    supports: (volume) => volume.projected !== undefined,
    async gather(files, pod, volume, current) {
      const { defaultMode = MODE_DEFAULT, sources: projections } = volume.projected!;
      for (const projection of projections ?? []) {
        await addProjection(files, pod, projection, defaultMode, current);
      }
    },
  });
}

async function addProjection(
  files: Files,
  pod: Pod,
  projection: VolumeProjection,
  mode: number,
  sources: ProjectionSources,
): Promise<void> {
  const { configMap, secret, downwardAPI, serviceAccountToken, ...others } = projection;
  const [unknown] = Object.keys(others);
  if (unknown) throw new VolumeError("NotSupported", `projected ${unknown} is not supported`);
  if (configMap) await addKeysOf("configMap", files, pod, configMap, mode, sources);
  if (secret) await addKeysOf("secret", files, pod, secret, mode, sources);
  if (downwardAPI) addDownward(files, pod, downwardAPI, mode, sources);
  if (serviceAccountToken) await addToken(files, pod, serviceAccountToken, mode, sources);
}
