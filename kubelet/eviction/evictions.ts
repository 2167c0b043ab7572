import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { delay, resultWithin } from "@raft2kube/std/wait.ts";
import { podResources } from "../containers/qos.ts";
import type { Runtime } from "../cri/runtime.ts";
import { EVICTED_LEAVES_MS, EVICTION_MEASURE_MS, FREEING_MS } from "../limits.ts";
import { filesystemSpace, memoryAvailable_bytes, processSpace } from "../node/machine.ts";
import type { PressureConditions } from "../node/pressure.ts";
import type { EvictionThresholds } from "../options.ts";
import type { PodEventSink } from "../pods/pod-event-sink.ts";
import { fullNameOf, namespaceOf, uidOf } from "../pods/pod-identity.ts";
import type { PodPaths } from "../pods/pod-paths.ts";
import type { PodCgroups } from "../sandbox/pod-cgroup.ts";
import type { PodWorkers } from "../sync/pod-workers.ts";
import { type LocalStorage, NOTHING, storageRequest_bytes, totalOf } from "./local-storage.ts";
import { measureStorage } from "./measure-storage.ts";
import {
  type Candidate,
  chooseVictim,
  evictionMessage,
  isCritical,
  isEvictable,
  pressureOf,
  type Shortage,
  type Signals,
  shortages,
} from "./plan.ts";
import { socketBuffers } from "./socket-limits.ts";

const log = logger("kubelet-eviction");

export interface EvictionsOptions {
  clock: Clock;
  runtime: Runtime;
  workers: PodWorkers;
  pressure: PressureConditions;
  cgroups: PodCgroups;
  events: PodEventSink;
  rootDir: string;
  paths: PodPaths;
  thresholds: Required<EvictionThresholds>;
  /** Removes what ended pods still have on the disk. */
  removeEnded(): Promise<void>;
  /** Frees more disk space without evicting a pod: dead containers, unused images. */
  freeDisk(): Promise<void>;
  /** Called when the set of pressure conditions has changed. */
  changed(): void;
  /** Measures the buffers of a pod's sockets; the test gives its own. */
  measureSockets?: typeof socketBuffers;
}

/** The resources of a pass: memory and processes do not wait for what frees disk space. */
type Watched = "disk" | "memory and processes";

/** Measures the node's resources and evicts pods, one at a time, before the OOM killer acts. */
export class Evictions {
  readonly #options: EvictionsOptions;
  /** Mount point of the runtime's images; constant while the kubelet runs. */
  #imageMountpoint: string | undefined;
  /** The work that frees disk space now, by its kind. */
  readonly #freeing = new Map<string, Promise<void>>();
  /** The pods that were evicted last, while they may still be terminating. */
  readonly #leaving = new Map<Watched, { uid: string; until_ms: number }>();

  constructor(options: EvictionsOptions) {
    this.#options = options;
  }

  /**
   * Measures once. Evicts at most one pod for a shortage of `watched`, and none before the last
   * one's resources are free.
   */
  async run(watched: Watched): Promise<void> {
    let found = await this.#shortages(watched);
    if (found.length === 0 || this.#isLeaving(watched)) return;
    if (watched === "disk") {
      // The pod that was evicted last may have ended: with its layers, enough may be free.
      found = await this.#shortagesAfter("removeEnded");
      // Freeing takes time: when little is left, the pod that writes most is evicted first.
      if (found.length > 0 && !found.some(({ critical }) => critical)) {
        found = await this.#shortagesAfter("freeDisk");
      }
    }
    const [shortage] = found;
    if (shortage) await this.#relieve(shortage, watched);
  }

  /**
   * Evicts a pod, unless it ended or was evicted while it was measured. `disrupted`: sets
   * DisruptionTarget, as the pod exceeded no limit of its own.
   */
  evict(pod: Pod, message: string, disrupted = false): void {
    const { workers, events } = this.#options;
    const worker = workers.get(uidOf(pod));
    if (worker === undefined || !isEvictable(worker)) return;
    log.warn("evicting a pod", { pod: fullNameOf(pod), message });
    events.record(pod, "Warning", "Evicted", message);
    workers.end(uidOf(pod), { reason: "Evicted", message, disrupted }, 0);
  }

  #isLeaving(watched: Watched): boolean {
    const { workers, clock } = this.#options;
    const leaving = this.#leaving.get(watched);
    if (!leaving || clock.monotonic() >= leaving.until_ms) return false;
    const worker = workers.get(leaving.uid);
    return worker !== undefined && worker.state !== "gone" && !worker.reclaimed;
  }

  async #relieve(shortage: Shortage, watched: Watched): Promise<void> {
    const { workers, clock } = this.#options;
    const running = workers.list().filter(isEvictable);
    // A critical pod is never chosen, and one that takes long to measure would hide the others.
    const pods = running.map(({ allocated }) => allocated).filter((pod) => !isCritical(pod));
    const victim = chooseVictim(await this.#candidates(pods, shortage));
    if (!victim) {
      log.warn("the node is short and no pod can be evicted", { ...shortage });
      return;
    }
    this.evict(victim.pod, evictionMessage(shortage), true);
    const until_ms = clock.monotonic() + EVICTED_LEAVES_MS;
    this.#leaving.set(watched, { uid: uidOf(victim.pod), until_ms });
  }

  /**
   * Measures the pods one after the other. If that takes longer than EVICTION_MEASURE_MS, those of
   * the namespace whose pods took longest are left, with the pod that is being measured as the one
   * that uses most: what takes long to measure does not protect its pod.
   */
  async #candidates(pods: readonly Pod[], shortage: Shortage): Promise<Candidate[]> {
    const { clock } = this.#options;
    const waiting = new AbortController();
    const late = delay(clock, EVICTION_MEASURE_MS, waiting.signal).then(() => undefined);
    const took_ms = new Map<string, number>();
    const candidates: Candidate[] = [];
    for (const pod of pods) {
      const begun_ms = clock.monotonic();
      const measured = await Promise.race([this.#candidate(pod, shortage), late]);
      const namespace = namespaceOf(pod);
      const spent_ms = (took_ms.get(namespace) ?? 0) + clock.monotonic() - begun_ms;
      took_ms.set(namespace, spent_ms);
      candidates.push(measured ?? { pod, used: Infinity, requested: 0 });
      if (measured) continue;
      const slowest_ms = Math.max(...took_ms.values());
      return candidates.filter((one) => took_ms.get(namespaceOf(one.pod)) === slowest_ms);
    }
    waiting.abort();
    return candidates;
  }

  /** Returns the pod's usage and request of the resource that is short. */
  async #candidate(pod: Pod, { resource }: Shortage): Promise<Candidate> {
    const { cgroups, measureSockets = socketBuffers } = this.#options;
    const usage = cgroups.usage(pod);
    switch (resource) {
      case "memory": {
        const requested = podResources(pod).memoryRequest_bytes ?? 0;
        const counted_bytes = usage?.memory.workingSet_bytes ?? 0;
        const buffers = await measureSockets(pod, cgroups.processes(pod));
        const used = counted_bytes + buffers.tcp_bytes + buffers.other_bytes;
        return { pod, used, requested };
      }
      case "pids":
        return { pod, used: usage?.pids ?? 0, requested: 0 };
      case "inodes":
        return { pod, used: totalOf(await this.#storage(pod)).inodes, requested: 0 };
      case "ephemeral-storage": {
        const { used_bytes } = totalOf(await this.#storage(pod));
        return { pod, used: used_bytes, requested: storageRequest_bytes(pod) };
      }
    }
  }

  async #storage(pod: Pod): Promise<LocalStorage> {
    try {
      return await measureStorage(pod, this.#options);
    } catch (thrown) {
      log.warn("a pod's disk usage is unknown", { pod: fullNameOf(pod), err: thrown });
      return { volumes: new Map(), containers: new Map(), hosts: NOTHING, unlinked: NOTHING };
    }
  }

  /**
   * Measures once disk space was freed, or after FREEING_MS: layers of millions of files take
   * minutes. Work that is under way goes on, one of each kind.
   */
  async #shortagesAfter(kind: "removeEnded" | "freeDisk"): Promise<Shortage[]> {
    const started = () => this.#free(kind).finally(() => this.#freeing.delete(kind));
    const freeing = this.#freeing.get(kind) ?? started();
    this.#freeing.set(kind, freeing);
    await resultWithin(this.#options.clock, freeing, FREEING_MS);
    return this.#shortages("disk");
  }

  async #free(kind: "removeEnded" | "freeDisk"): Promise<void> {
    try {
      await this.#options[kind]();
    } catch (thrown) {
      log.warn("disk space could not be freed", { kind, error: messageOf(thrown) });
    }
  }

  /** Returns the shortages of `watched`, and publishes all. */
  async #shortages(watched: Watched): Promise<Shortage[]> {
    const { pressure, changed, thresholds } = this.#options;
    const found = shortages(await this.#signals(), thresholds);
    if (pressure.update(pressureOf(found))) changed();
    return found.filter((one) => pressureOf([one]).disk === (watched === "disk"));
  }

  async #signals(): Promise<Signals> {
    const { rootDir, runtime } = this.#options;
    this.#imageMountpoint ??= await imageMountpointOf(runtime);
    const mountpoint = this.#imageMountpoint;
    return {
      memoryAvailable_bytes: await memoryAvailable_bytes(),
      nodefs: await filesystemSpace(rootDir),
      imagefs: mountpoint ? await filesystemSpace(mountpoint) : undefined,
      processes: await processSpace(),
    };
  }
}

async function imageMountpointOf({ images }: Runtime): Promise<string | undefined> {
  const { imageFilesystems } = await images.imageFsInfo({});
  return imageFilesystems[0]?.fsId?.mountpoint;
}
