import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Pod, Volume } from "@raft2kube/api/gen/core/v1.ts";
import { removePath } from "@raft2kube/linux/beneath/remove-tree.ts";
import type { TreeUsage } from "@raft2kube/linux/beneath/tree-usage.ts";
import { namesIn } from "@raft2kube/linux/file/names-in.ts";
import { unmount } from "@raft2kube/linux/mount/mount.ts";
import { isMountPoint } from "@raft2kube/linux/mount/mount-point.ts";
import { mountPointsBelow } from "@raft2kube/linux/mount/mountinfo.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { resultWithin } from "@raft2kube/std/wait.ts";
import { VOLUME_REFRESH_WAIT_MS, VOLUMES_OF_POD_MAX } from "../limits.ts";
import type { PodEventSink } from "../pods/pod-event-sink.ts";
import { containersOf, fullNameOf, uidOf } from "../pods/pod-identity.ts";
import type { PodObjects } from "../pods/pod-objects.ts";
import { type PodPaths, subpathsDir, volumeDir, volumesDir } from "../pods/pod-paths.ts";
import { resolveVolume } from "./claim.ts";
import { FilesBudget } from "./files.ts";
import type { ReadyVolume, SetUpRequest, VolumePlugin, VolumeSpec } from "./plugin.ts";
import { refusalOf } from "./refused-kinds.ts";
import { VolumeError } from "./volume-error.ts";
import type { VolumeUsage } from "./volume-usage.ts";

const log = logger("kubelet-volumes");

export interface PodVolumesOptions {
  plugins: VolumePlugin[];
  paths: PodPaths;
  objects: PodObjects;
  clock: Clock;
  /** Receives that a volume is abnormal, or cannot be refreshed. */
  events?: PodEventSink;
}

/** Volumes of a pod are not ready; each has its own FailedMount message. */
export class VolumesNotReady extends Error {
  override readonly name = "VolumesNotReady";
  readonly failures: { volume: string; message: string }[];

  constructor(failures: { volume: string; message: string }[]) {
    super(failures.map(({ message }) => message).join("; "));
    this.failures = failures;
  }
}

type How = Pick<SetUpRequest, "readOnly" | "budget" | "since_ms">;

/** A volume that is set up; `mount` is its path if a mount made by its set-up is there. */
type SetUpVolume = { plugin: VolumePlugin; ready: ReadyVolume; mount: string | undefined };

/** A volume that is kept; `refresh` is its next set-up while one is under way. */
type KeptVolume = SetUpVolume & { refresh: Promise<boolean> | undefined };

export interface PodVolumesReady {
  volumes: Map<string, ReadyVolume>;
  /** Whether all were refreshed; false while a refresh has failed or is under way. */
  refreshed: boolean;
}

/**
 * Volumes of all pods. The only record of mounts are the directories:
 * `<pod>/volumes/<plugin>/<volume>` exists before anything is mounted and is removed after it is
 * unmounted, so that a restarted or killed kubelet finds everything.
 */
export class PodVolumes {
  readonly #options: PodVolumesOptions;
  /** The volumes that this process has set up, by the pod's UID and their names. */
  readonly #kept = new Map<string, Map<string, KeptVolume>>();

  constructor(options: PodVolumesOptions) {
    this.#options = options;
  }

  /**
   * Sets up or refreshes the volumes that the pod's containers use. A failed refresh is an event
   * about the pod, which goes on with the volume as it is (upstream: the same). Throws
   * VolumesNotReady for those that are not set up yet, or whose mount is gone. Objects were not
   * read before `since_ms`, monotonic.
   */
  async setUp(pod: Pod, since_ms = -Infinity): Promise<PodVolumesReady> {
    const volumes = new Map<string, ReadyVolume>();
    let refreshed = true;
    const failures: { volume: string; message: string }[] = [];
    const budget = new FilesBudget();
    const one = async (volume: Volume, readOnly: boolean) => {
      try {
        const one = await this.#readyOne(pod, volume, { readOnly, budget, since_ms });
        volumes.set(volume.name, one.ready);
        refreshed &&= one.refreshed;
      } catch (thrown) {
        failures.push({ volume: volume.name, message: setUpFailed(volume, thrown) });
      }
    };
    const used = usedVolumes(pod);
    const wanted = (pod.spec.volumes ?? []).filter(({ name }) => used.has(name));
    if (wanted.length > VOLUMES_OF_POD_MAX) throw tooMany(wanted);
    await Promise.all(wanted.map((volume) => one(volume, used.get(volume.name) ?? false)));
    if (failures.length > 0) throw new VolumesNotReady(failures);
    return { volumes, refreshed };
  }

  /**
   * Unmounts and removes all volumes of a pod that are on disk; `owner` is its namespace. Throws
   * VolumesNotReady, also while a refresh lasts: it may still mount.
   */
  async tearDown(podUid: string, owner?: string): Promise<void> {
    const { paths } = this.#options;
    await this.#refreshesEnd(podUid);
    this.#kept.delete(podUid);
    await this.#tearDownSubPaths(podUid);
    const failures: { volume: string; message: string }[] = [];
    const root = volumesDir(paths, podUid);
    const inside = mountsInside(root);
    for (const pluginName of await namesIn(root)) {
      for (const volumeName of await namesIn(join(root, pluginName))) {
        const dir = volumeDir(paths, podUid, pluginName, volumeName);
        try {
          const request = { podUid, volumeName, dir, inside: inside.get(dir), owner };
          await this.#pluginNamed(pluginName).tearDown(request);
        } catch (thrown) {
          const message = `UnmountVolume.TearDown failed for volume "${volumeName}" : ${messageOf(thrown)}`;
          failures.push({ volume: volumeName, message });
        }
      }
    }
    if (failures.length > 0) throw new VolumesNotReady(failures);
    await removePath(root);
  }

  /**
   * Returns the usage of a pod's volumes by name. A volume that cannot be measured is logged and
   * left out. `names`: the volumes to measure, by default all; `measured`: trees that are measured
   * already.
   */
  async usages(
    pod: Pod,
    {
      names,
      measured,
    }: { names?: ReadonlySet<string>; measured?: ReadonlyMap<string, TreeUsage> } = {},
  ): Promise<Map<string, VolumeUsage>> {
    const found = new Map<string, VolumeUsage>();
    const root = volumesDir(this.#options.paths, uidOf(pod));
    const named = names ?? new Set((pod.spec.volumes ?? []).map(({ name }) => name));
    const one = async (plugin: VolumePlugin, name: string) => {
      try {
        const usage = await this.#measure(pod, plugin, { name, measured: measured?.get(name) });
        if (usage) found.set(name, usage);
      } catch (thrown) {
        const fields = { pod: fullNameOf(pod), volume: name, error: messageOf(thrown) };
        log.warn("a volume could not be measured", fields);
      }
    };
    const measurable = this.#options.plugins.filter(({ usage }) => usage !== undefined);
    for (const plugin of measurable) {
      const wanted = (await namesIn(join(root, plugin.name))).filter((name) => named.has(name));
      await Promise.all(wanted.map((name) => one(plugin, name)));
    }
    return found;
  }

  /**
   * Returns the usage of a pod's volume; undefined when this process has not set it up yet, or its
   * kind cannot be measured.
   */
  async usage(pod: Pod, name: string): Promise<VolumeUsage | undefined> {
    const kept = this.#kept.get(uidOf(pod))?.get(name);
    return kept && this.#measure(pod, kept.plugin, { name, measured: undefined });
  }

  async #measure(
    pod: Pod,
    plugin: VolumePlugin,
    { name, measured }: { name: string; measured: TreeUsage | undefined },
  ): Promise<VolumeUsage | undefined> {
    const { paths, events } = this.#options;
    const dir = volumeDir(paths, uidOf(pod), plugin.name, name);
    const usage = await plugin.usage?.({ dir, measured });
    if (usage?.abnormal !== undefined) {
      const message = `Volume ${name}: ${usage.abnormal}`;
      events?.record(pod, "Warning", "VolumeConditionAbnormal", message);
    }
    return usage;
  }

  async #refreshesEnd(podUid: string): Promise<void> {
    const failures: { volume: string; message: string }[] = [];
    const one = async (volume: string, { refresh }: KeptVolume) => {
      const ended = Promise.resolve(refresh).then(() => true);
      const { clock } = this.#options;
      if (await resultWithin(clock, ended, VOLUME_REFRESH_WAIT_MS, () => false)) return;
      const message = `UnmountVolume.TearDown failed for volume "${volume}" : its refresh lasts`;
      failures.push({ volume, message });
    };
    const kept = [...(this.#kept.get(podUid) ?? [])];
    await Promise.all(kept.map(([name, volume]) => one(name, volume)));
    if (failures.length > 0) throw new VolumesNotReady(failures);
  }

  /** Removes the bind mounts of a pod's subPaths. */
  async #tearDownSubPaths(podUid: string): Promise<void> {
    const dir = subpathsDir(this.#options.paths, podUid);
    if (!existsSync(dir)) return;
    for (const point of mountPointsBelow(dir)) unmount(point);
    const [left] = mountPointsBelow(dir);
    if (left) {
      const message = `subPath mount ${left} is still there`;
      throw new VolumesNotReady([{ volume: left, message }]);
    }
    await removePath(dir);
  }

  async #readyOne(
    pod: Pod,
    volume: Volume,
    how: How,
  ): Promise<{ ready: ReadyVolume; refreshed: boolean }> {
    const uid = uidOf(pod);
    const kept = this.#kept.get(uid)?.get(volume.name);
    if (kept) {
      kept.refresh ??= this.#refresh(pod, volume, how, kept);
      const { clock } = this.#options;
      const late = () => false;
      const refreshed = await resultWithin(clock, kept.refresh, VOLUME_REFRESH_WAIT_MS, late);
      // A container would write into the bare directory.
      if (!refreshed && kept.mount !== undefined && !isMountPoint(kept.mount)) {
        throw new VolumeError("MountFailed", `${kept.mount} is no longer mounted`);
      }
      return { ready: kept.ready, refreshed };
    }
    const volumeSetUp = await this.#setUpOne(pod, volume, how);
    const ofPod = this.#kept.get(uid) ?? new Map<string, KeptVolume>();
    this.#kept.set(uid, ofPod.set(volume.name, { ...volumeSetUp, refresh: undefined }));
    return { ready: volumeSetUp.ready, refreshed: true };
  }

  /** Returns whether the volume could be set up again. */
  async #refresh(pod: Pod, volume: Volume, how: How, kept: KeptVolume): Promise<boolean> {
    try {
      Object.assign(kept, await this.#setUpOne(pod, volume, { ...how, refresh: true }));
      return true;
    } catch (thrown) {
      const message = setUpFailed(volume, thrown);
      this.#options.events?.record(pod, "Warning", "FailedMount", message);
      return false;
    } finally {
      kept.refresh = undefined;
    }
  }

  async #setUpOne(
    pod: Pod,
    volume: Volume,
    how: How & Pick<SetUpRequest, "refresh">,
  ): Promise<SetUpVolume> {
    const { objects, paths } = this.#options;
    const spec = await resolveVolume(pod, volume, objects);
    const plugin = this.#pluginFor(spec);
    const dir = volumeDir(paths, uidOf(pod), plugin.name, volume.name);
    await mkdir(dirname(dir), { recursive: true, mode: 0o750 });
    const fsGroup = pod.spec.securityContext?.fsGroup;
    const ready = await plugin.setUp({ pod, spec, dir, fsGroup, ...how });
    return { plugin, ready, mount: mountOf(ready, dir) };
  }

  #pluginFor(spec: VolumeSpec): VolumePlugin {
    const able = this.#options.plugins.filter((plugin) => plugin.supports(spec));
    if (able.length === 1) return able[0]!;
    if (able.length === 0) throw refusalOf(spec);
    const names = able.map((plugin) => plugin.name).join(", ");
    throw new VolumeError("NotSupported", `volume ${spec.name} is of several kinds: ${names}`);
  }

  #pluginNamed(name: string): VolumePlugin {
    const plugin = this.#options.plugins.find((one) => one.name === name);
    if (plugin) return plugin;
    throw new VolumeError("NotSupported", `no volume plugin ${name} is there to unmount it`);
  }
}

/** Paths outside of the volume's directory are the node's. */
function mountOf(ready: ReadyVolume, dir: string): string | undefined {
  if (ready.kind !== "filesystem") return undefined;
  const { hostPath } = ready;
  const isOwn = hostPath === dir || hostPath.startsWith(`${dir}/`);
  return isOwn && isMountPoint(hostPath) ? hostPath : undefined;
}

const setUpFailed = ({ name }: Volume, thrown: unknown): string =>
  `MountVolume.SetUp failed for volume "${name}" : ${messageOf(thrown)}`;

function tooMany(volumes: Volume[]): VolumesNotReady {
  const { name } = volumes[VOLUMES_OF_POD_MAX]!;
  const message =
    `the pod's containers use ${volumes.length} volumes, this node mounts ${VOLUMES_OF_POD_MAX} ` +
    "for a pod at most: use fewer, or one projected volume for many sources";
  return new VolumesNotReady([{ volume: name, message }]);
}

/** Returns a mount beneath each volume's directory, by the directory, for those that have one. */
function mountsInside(root: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const point of mountPointsBelow(root)) {
    const [plugin = "", volume = "", ...rest] = point.slice(root.length + 1).split("/");
    if (rest.length > 0) found.set(join(root, plugin, volume), point);
  }
  return found;
}

/** Returns the volumes that containers mount, with whether all mounts are read-only. */
function usedVolumes(pod: Pod): Map<string, boolean> {
  const used = new Map<string, boolean>();
  for (const { container } of containersOf(pod)) {
    for (const { name, readOnly = false } of container.volumeMounts ?? []) {
      used.set(name, (used.get(name) ?? true) && readOnly);
    }
    for (const { name } of container.volumeDevices ?? []) used.set(name, false);
  }
  return used;
}
