import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { Cgroups, CgroupUsage } from "@raft2kube/linux/cgroup/cgroup.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import {
  type ComputeResources,
  CPU_PERIOD_US,
  cpuQuota_us,
  cpuShares,
  podResources,
  qosClassOf,
} from "../containers/qos.ts";
import { uidOf } from "../pods/pod-identity.ts";

const log = logger("kubelet-cgroups");
const CLASSES = ["guaranteed", "burstable", "besteffort"] as const;

/** `<root>/burstable/pod<uid>`: a pod's cgroup, relative to each hierarchy's mount. */
export function podCgroup(root: string, pod: Pod): string {
  return `${root}/${qosClassOf(pod).toLowerCase()}/pod${uidOf(pod)}`;
}

/** Limits of processes and threads, of each pod and of all pods together. */
export type PidLimits = { pod: number; allPods: number };

/** The cgroups above the containers': one per QoS class, one per pod with the pod's limits. */
export class PodCgroups {
  readonly #cgroups: Cgroups;
  readonly #root: string;
  readonly #clock: Clock;
  readonly #pids: PidLimits;

  constructor(cgroups: Cgroups, root: string, clock: Clock, pids: PidLimits) {
    this.#cgroups = cgroups;
    this.#root = root;
    this.#clock = clock;
    this.#pids = pids;
  }

  /** Creates the cgroups of the QoS classes; best-effort pods have the least CPU weight. */
  createClasses(): void {
    for (const name of CLASSES) this.#cgroups.create(`${this.#root}/${name}`);
    if (this.#countsPids) this.#cgroups.setLimits(this.#root, { pids: this.#pids.allPods });
    else log.warn("the kernel has no pids controller: pods may fill the table of processes");
    this.#cgroups.setLimits(`${this.#root}/besteffort`, { cpuShares: cpuShares(undefined) });
  }

  /** Creates the pod's cgroup if it is not there, and sets its limits. */
  create(pod: Pod, resources: ComputeResources = podResources(pod)): void {
    const path = podCgroup(this.#root, pod);
    this.#cgroups.create(path);
    this.#cgroups.setLimits(path, {
      cpuShares: cpuShares(resources.cpuRequest_milli),
      cpuPeriod_us: CPU_PERIOD_US,
      cpuQuota_us: cpuQuota_us(resources.cpuLimit_milli),
      memory_bytes: resources.memoryLimit_bytes ?? -1,
      ...(this.#countsPids ? { pids: this.#pids.pod } : {}),
    });
  }

  /** Removes a pod's cgroup, of any class; processes still in it are killed. */
  async remove(podUid: string): Promise<void> {
    for (const name of CLASSES) {
      const path = `${this.#root}/${name}/pod${podUid}`;
      if (this.#cgroups.exists(path)) await this.#cgroups.remove(path, { clock: this.#clock });
    }
  }

  get #countsPids(): boolean {
    return this.#cgroups.controllers.includes("pids");
  }

  pathOf(pod: Pod): string {
    return podCgroup(this.#root, pod);
  }

  usage(pod: Pod): CgroupUsage | undefined {
    return this.#cgroups.usage(this.pathOf(pod));
  }
}
