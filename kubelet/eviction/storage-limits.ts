import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { Runtime } from "../cri/runtime.ts";
import { STORAGE_REST } from "../limits.ts";
import { fullNameOf, uidOf } from "../pods/pod-identity.ts";
import type { PodPaths } from "../pods/pod-paths.ts";
import type { PodWorkers } from "../sync/pod-workers.ts";
import type { PodVolumes } from "../volumes/pod-volumes.ts";
import { capacityExcess, hasCapacity, limitsStorage, storageExcess } from "./local-storage.ts";
import { measureStorage } from "./measure-storage.ts";

const log = logger("kubelet-storage");

export interface StorageLimitsOptions {
  clock: Clock;
  runtime: Runtime;
  paths: PodPaths;
  workers: PodWorkers;
  volumes: PodVolumes;
  evict(pod: Pod, message: string): void;
}

/**
 * Evicts pods that exceed their limits of ephemeral storage (upstream's local storage eviction).
 */
export class StorageLimits {
  readonly #options: StorageLimitsOptions;
  /** Time of the next measurement by pod; later for a pod whose measurement takes long. */
  #due_ms = new Map<string, number>();

  constructor(options: StorageLimitsOptions) {
    this.#options = options;
  }

  /**
   * Measures every pod that is due. A pod that cannot be measured is logged and does not delay
   * others.
   */
  async run(): Promise<void> {
    const { clock, workers } = this.#options;
    const before = this.#due_ms;
    this.#due_ms = new Map();
    for (const { pod, state, uid } of workers.list()) {
      if (state !== "syncing" || !isLimited(pod)) continue;
      const due_ms = before.get(uid) ?? 0;
      const begun_ms = clock.monotonic();
      if (begun_ms < due_ms) {
        this.#due_ms.set(uid, due_ms);
        continue;
      }
      await this.#check(pod);
      const ended_ms = clock.monotonic();
      this.#due_ms.set(uid, ended_ms + (ended_ms - begun_ms) * STORAGE_REST);
    }
  }

  async #check(pod: Pod): Promise<void> {
    try {
      const storage = limitsStorage(pod) ? await measureStorage(pod, this.#options) : undefined;
      const message = storage && storageExcess(pod, storage);
      const reason = message ?? (await this.#capacityExcess(pod));
      if (reason !== undefined) this.#options.evict(pod, reason);
    } catch (thrown) {
      const fields = { pod: fullNameOf(pod), uid: uidOf(pod), error: messageOf(thrown) };
      log.warn("what a pod has on disk could not be measured", fields);
    }
  }
  async #capacityExcess(pod: Pod): Promise<string | undefined> {
    for (const { name } of (pod.spec.volumes ?? []).filter(hasCapacity)) {
      try {
        const excess = capacityExcess(name, await this.#options.volumes.usage(pod, name));
        if (excess !== undefined) return excess;
      } catch (thrown) {
        // At every look while a driver is away, which is reported where its volumes are set up.
        log.debug("a volume could not be measured", { volume: name, error: messageOf(thrown) });
      }
    }
    return undefined;
  }
}

function isLimited(pod: Pod): boolean {
  return limitsStorage(pod) || (pod.spec.volumes ?? []).some(hasCapacity);
}
