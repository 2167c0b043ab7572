import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { FairTurns } from "@raft2kube/std/turns.ts";
import { resultWithin } from "@raft2kube/std/wait.ts";
import type { Runtime } from "../cri/runtime.ts";
import { NAMESPACES_MEASURED_MAX, STORAGE_PERIOD_MS, STORAGE_REST } from "../limits.ts";
import { fullNameOf, namespaceOf, uidOf } from "../pods/pod-identity.ts";
import type { PodPaths } from "../pods/pod-paths.ts";
import type { PodWorkers } from "../sync/pod-workers.ts";
import type { PodVolumes } from "../volumes/pod-volumes.ts";
import { capacityExcess, hasCapacity, limitsStorage, storageExcess } from "./local-storage.ts";
import { measureStorage, type PodProcesses } from "./measure-storage.ts";
import { isEvictable } from "./plan.ts";

const log = logger("kubelet-storage");

export interface StorageLimitsOptions {
  clock: Clock;
  runtime: Runtime;
  paths: PodPaths;
  cgroups: PodProcesses;
  workers: PodWorkers;
  volumes: PodVolumes;
  evict(pod: Pod, message: string): void;
}

/** Measurements of pods: one of a pod at a time, and a rest after it that is as long as it took. */
class PacedMeasurements {
  readonly #clock: Clock;
  /** Time of the next measurement by pod; Infinity while one is under way. */
  readonly #due_ms = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Measures a pod if that is due. */
  async run(uid: string, measure: () => Promise<void>): Promise<void> {
    const begun_ms = this.#clock.monotonic();
    if (begun_ms < (this.#due_ms.get(uid) ?? 0)) return;
    this.#due_ms.set(uid, Infinity);
    try {
      await measure();
    } finally {
      const ended_ms = this.#clock.monotonic();
      this.#due_ms.set(uid, ended_ms + (ended_ms - begun_ms) * STORAGE_REST);
    }
  }

  forgetOthers(uids: ReadonlySet<string>): void {
    for (const uid of this.#due_ms.keys()) if (!uids.has(uid)) this.#due_ms.delete(uid);
  }
}

/**
 * Evicts pods that exceed their limits of ephemeral storage (upstream's local storage eviction).
 * Neither the millions of files of one namespace nor a driver that does not answer delays others.
 */
export class StorageLimits {
  readonly #options: StorageLimitsOptions;
  readonly #files: PacedMeasurements;
  readonly #volumes: PacedMeasurements;
  /** A namespace's pods are measured one after the other: each walk holds descriptors. */
  readonly #turns = new FairTurns(NAMESPACES_MEASURED_MAX);
  readonly #namespaces = new Map<string, Promise<void>>();

  constructor(options: StorageLimitsOptions) {
    this.#options = options;
    this.#files = new PacedMeasurements(options.clock);
    this.#volumes = new PacedMeasurements(options.clock);
  }

  /**
   * Measures every pod that is due, and waits for that up to STORAGE_PERIOD_MS. A pod that cannot
   * be measured is logged.
   */
  async run(): Promise<void> {
    const { clock, workers } = this.#options;
    const pods = workers.list().flatMap((one) => (isEvictable(one) ? one.pod : []));
    const uids = new Set(pods.map(uidOf));
    for (const each of [this.#files, this.#volumes]) each.forgetOthers(uids);
    for (const pod of pods.filter(hasVolumes)) {
      void this.#volumes.run(uidOf(pod), () => this.#checkVolumes(pod));
    }
    for (const [namespace, own] of Map.groupBy(pods.filter(limitsStorage), namespaceOf)) {
      if (this.#namespaces.has(namespace)) continue;
      const measured = this.#turns.run(namespace, () => this.#measureFiles(own));
      const ended = measured.finally(() => this.#namespaces.delete(namespace));
      this.#namespaces.set(namespace, ended);
    }
    await resultWithin(clock, Promise.all(this.#namespaces.values()), STORAGE_PERIOD_MS);
  }

  async #measureFiles(pods: readonly Pod[]): Promise<void> {
    for (const pod of pods) await this.#files.run(uidOf(pod), () => this.#checkFiles(pod));
  }

  async #checkFiles(pod: Pod): Promise<void> {
    try {
      const reason = storageExcess(pod, await measureStorage(pod, this.#options));
      if (reason !== undefined) this.#options.evict(pod, reason);
    } catch (thrown) {
      const fields = { pod: fullNameOf(pod), uid: uidOf(pod), error: messageOf(thrown) };
      log.warn("what a pod has on disk could not be measured", fields);
    }
  }

  async #checkVolumes(pod: Pod): Promise<void> {
    const check = async (name: string) => {
      try {
        const excess = capacityExcess(name, await this.#options.volumes.usage(pod, name));
        if (excess !== undefined) this.#options.evict(pod, excess);
      } catch (thrown) {
        // At every look while a driver is away, which is reported where its volumes are set up.
        log.debug("a volume could not be measured", { volume: name, error: messageOf(thrown) });
      }
    };
    const wanted = (pod.spec.volumes ?? []).filter(hasCapacity);
    await Promise.all(wanted.map(({ name }) => check(name)));
  }
}

const hasVolumes = (pod: Pod): boolean => (pod.spec.volumes ?? []).some(hasCapacity);
