import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { TreeUsage } from "@raft2kube/linux/beneath/tree-usage.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { delay } from "@raft2kube/std/wait.ts";
import type { Runtime } from "../cri/runtime.ts";
import { totalOf } from "../eviction/local-storage.ts";
import { logsUsage, measureStorage } from "../eviction/measure-storage.ts";
import { STATS_STORAGE_MS, STATS_STORAGE_WAIT_MS, STORAGE_REST } from "../limits.ts";
import { containersOf, fullNameOf, uidOf } from "../pods/pod-identity.ts";
import type { PodPaths } from "../pods/pod-paths.ts";
import type { PodVolumes } from "../volumes/pod-volumes.ts";
import type { VolumeUsage } from "../volumes/volume-usage.ts";

/** Disk and volume usage of a pod at its last measurement. */
export interface PodStorage {
  time_ms: number;
  /** The usage that counts against the pod's limit of ephemeral storage. */
  ephemeral: TreeUsage;
  /** By name of the container. */
  logs: ReadonlyMap<string, TreeUsage>;
  /** By name of the volume. */
  volumes: ReadonlyMap<string, VolumeUsage>;
}

export interface PodStoragesOptions {
  clock: Clock;
  runtime: Runtime;
  paths: PodPaths;
  volumes: PodVolumes;
}

interface Entry {
  last: PodStorage | undefined;
  due_ms: number;
  measuring: Promise<void> | undefined;
}

/**
 * Measures pods' storage for statistics, at most every STATS_STORAGE_MS, and less often where it
 * takes long: pods decide how many files they have, and drivers how long they take.
 */
export class PodStorages {
  readonly #options: PodStoragesOptions;
  readonly #pods = new Map<string, Entry>();

  constructor(options: PodStoragesOptions) {
    this.#options = options;
  }

  /**
   * Returns the storage of these pods by UID; drops that of no pod of `all`. Waits at most
   * STATS_STORAGE_WAIT_MS: for a pod whose measurement takes longer, returns the previous one, if
   * any.
   */
  async of(pods: Pod[], all = pods): Promise<Map<string, PodStorage>> {
    const { clock } = this.#options;
    const uids = new Set(all.map(uidOf));
    for (const uid of this.#pods.keys()) if (!uids.has(uid)) this.#pods.delete(uid);
    const measuring = Promise.all(pods.map((pod) => this.#measured(pod)));
    const waiting = new AbortController();
    await Promise.race([measuring, delay(clock, STATS_STORAGE_WAIT_MS, waiting.signal)]);
    waiting.abort();
    return new Map([...this.#pods].flatMap(([uid, { last }]) => (last ? [[uid, last]] : [])));
  }

  #measured(pod: Pod): Promise<void> | undefined {
    const uid = uidOf(pod);
    const entry = this.#pods.get(uid) ?? { last: undefined, due_ms: 0, measuring: undefined };
    this.#pods.set(uid, entry);
    if (!entry.measuring && this.#options.clock.monotonic() >= entry.due_ms) {
      entry.measuring = this.#measure(pod, entry);
    }
    return entry.measuring;
  }

  /** Never rejects: a pod that cannot be measured keeps its previous measurement. */
  async #measure(pod: Pod, entry: Entry): Promise<void> {
    const { clock, paths, volumes } = this.#options;
    const begun_ms = clock.monotonic();
    try {
      const storage = await measureStorage(pod, this.#options);
      const logs = new Map<string, TreeUsage>();
      for (const { container: { name } } of containersOf(pod)) {
        logs.set(name, await logsUsage(paths, pod, name));
      }
      entry.last = {
        time_ms: clock.now(),
        ephemeral: totalOf(storage),
        logs,
        volumes: await volumes.usages(pod, storage.emptyDirs),
      };
    } catch (thrown) {
      const fields = { pod: fullNameOf(pod), error: messageOf(thrown) };
      log.warn("a pod's storage could not be measured", fields);
    } finally {
      const ended_ms = clock.monotonic();
      const rest_ms = Math.max(STATS_STORAGE_MS, (ended_ms - begun_ms) * STORAGE_REST);
      entry.due_ms = ended_ms + rest_ms;
      entry.measuring = undefined;
    }
  }
}

const log = logger("kubelet-stats");
