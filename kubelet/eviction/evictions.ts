import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { Runtime } from "../cri/runtime.ts";
import { PRESSURE_LASTS_MS } from "../limits.ts";
import { filesystemSpace, memoryAvailable_bytes } from "../node/machine.ts";
import type { NodePressure } from "../node/node-status.ts";
import type { EvictionThresholds } from "../options.ts";
import type { PodEventSink } from "../pod-event-sink.ts";
import { fullNameOf, uidOf } from "../pods/pod-identity.ts";
import type { PodCgroups } from "../sandbox/pod-cgroup.ts";
import type { PodWorkers } from "../sync/pod-workers.ts";
import {
  chooseVictim,
  evictionMessage,
  pressureOf,
  type Shortage,
  shortages,
  type Signals,
} from "./plan.ts";

const log = logger("kubelet-eviction");

export interface EvictionsOptions {
  clock: Clock;
  runtime: Runtime;
  workers: PodWorkers;
  cgroups: PodCgroups;
  events: PodEventSink;
  rootDir: string;
  thresholds: Required<EvictionThresholds>;
  /** Frees disk space without ending a pod: dead containers, unused images. */
  freeDisk(): Promise<void>;
  /** The pressure has changed. */
  changed(): void;
}

const NONE: NodePressure = { memory: false, disk: false, pid: false };

/** Watches what is left on the node and ends pods, one at a time, before the kernel has to. */
export class Evictions {
  readonly #options: EvictionsOptions;
  #pressure: NodePressure = NONE;
  /** By kind of pressure: when it was last seen. */
  readonly #seen_ms = { memory: -Infinity, disk: -Infinity };

  constructor(options: EvictionsOptions) {
    this.#options = options;
  }

  /** What the node's conditions say. */
  get pressure(): NodePressure {
    return this.#pressure;
  }

  /** One look; ends at most one pod. */
  async run(): Promise<void> {
    let found = shortages(await this.#signals(), this.#options.thresholds);
    this.#show(pressureOf(found));
    if (pressureOf(found).disk) {
      await this.#options.freeDisk();
      found = shortages(await this.#signals(), this.#options.thresholds);
    }
    const [shortage] = found;
    if (shortage) this.#evict(shortage);
  }

  #evict(shortage: Shortage): void {
    const { workers, cgroups, events } = this.#options;
    const running = workers.list().filter(({ state }) => state === "syncing");
    const victim = chooseVictim(
      running.map(({ pod }) => {
        const memory_bytes = cgroups.usage(pod)?.memory.workingSet_bytes ?? 0;
        return { pod, memory_bytes };
      }),
    );
    if (!victim) {
      log.warn("the node is short and no pod can be evicted", { ...shortage });
      return;
    }
    const message = evictionMessage(shortage);
    log.warn("evicting a pod", { pod: fullNameOf(victim.pod), ...shortage });
    events.record(victim.pod, "Warning", "Evicted", message);
    workers.end(uidOf(victim.pod), { reason: "Evicted", message }, 0);
  }

  /** A pressure is shown for some minutes after it has gone, so that the node does not flap. */
  #show(now: NodePressure): void {
    const { clock, changed } = this.#options;
    const at_ms = clock.monotonic();
    if (now.memory) this.#seen_ms.memory = at_ms;
    if (now.disk) this.#seen_ms.disk = at_ms;
    const lasts = (seen_ms: number) => at_ms - seen_ms < PRESSURE_LASTS_MS;
    const before = this.#pressure;
    const { memory, disk } = this.#seen_ms;
    this.#pressure = { memory: lasts(memory), disk: lasts(disk), pid: false };
    if (before.memory !== this.#pressure.memory || before.disk !== this.#pressure.disk) changed();
  }

  async #signals(): Promise<Signals> {
    const { rootDir, runtime } = this.#options;
    const { imageFilesystems } = await runtime.images.imageFsInfo({});
    const mountpoint = imageFilesystems[0]?.fsId?.mountpoint;
    return {
      memoryAvailable_bytes: await memoryAvailable_bytes(),
      nodefs: await filesystemSpace(rootDir),
      imagefs: mountpoint ? await filesystemSpace(mountpoint) : undefined,
    };
  }
}
