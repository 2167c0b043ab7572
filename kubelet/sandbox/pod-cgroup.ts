import os from "node:os";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { CgroupCounters, Cgroups, CgroupUsage } from "@raft2kube/linux/cgroup/cgroup.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import {
  type ComputeResources,
  CPU_PERIOD_US,
  cpuQuota_us,
  cpuRequest_milli,
  cpuShares,
  podResources,
  qosClassOf,
} from "../containers/qos.ts";
import { POD_TCP_SHARE } from "../limits.ts";
import { uidOf } from "../pods/pod-identity.ts";

const log = logger("kubelet-cgroups");
/** The part of a pod of the buffers that all TCP connections of the machine share. */
export const POD_TCP_BYTES_MAX = Math.floor(os.totalmem() * POD_TCP_SHARE);
const CLASSES = ["guaranteed", "burstable", "besteffort"] as const;
type ClassName = (typeof CLASSES)[number];

/** `<root>/burstable/pod<uid>`: a pod's cgroup, relative to each hierarchy's mount. */
export function podCgroup(root: string, pod: Pod): string {
  return `${root}/${classOf(pod)}/pod${uidOf(pod)}`;
}

const classOf = (pod: Pod): ClassName => qosClassOf(pod).toLowerCase() as ClassName;

/** Limits of processes and threads, of each pod and of all pods together. */
export type PidLimits = { pod: number; allPods: number };

/** The cgroups above the containers': one per QoS class, one per pod with the pod's limits. */
export class PodCgroups {
  readonly #cgroups: Cgroups;
  readonly #root: string;
  readonly #clock: Clock;
  readonly #pids: PidLimits;
  /** The classes and CPU requests of the pods that have a cgroup, by their UIDs. */
  readonly #requests = new Map<string, { of: ClassName; cpu_milli: number }>();
  /** The CPU shares that each class has. */
  readonly #shares = new Map<ClassName, number>();

  constructor(cgroups: Cgroups, root: string, clock: Clock, pids: PidLimits) {
    this.#cgroups = cgroups;
    this.#root = root;
    this.#clock = clock;
    this.#pids = pids;
  }

  /**
   * Creates the cgroups of the QoS classes. Their CPU weights follow the requests of their pods, so
   * that a pod gets what it requests beside those of other classes. The pods of before whose
   * cgroups have processes count from the start, whether or not this kubelet comes to know of them.
   */
  createClasses(): void {
    for (const name of CLASSES) {
      this.#cgroups.create(`${this.#root}/${name}`);
      this.#countPodsIn(name);
    }
    if (this.#countsPids) this.#cgroups.setLimits(this.#root, { pids: this.#pids.allPods });
    else log.warn("the kernel has no pids controller: pods may fill the table of processes");
    this.#weighClasses();
  }

  #countPodsIn(of: ClassName): void {
    const path = `${this.#root}/${of}`;
    for (const [group, shares] of this.#cgroups.cpuSharesBelow(path)) {
      if (!group.startsWith("pod") || this.#cgroups.pids(`${path}/${group}`).length === 0) continue;
      this.#requests.set(group.slice("pod".length), { of, cpu_milli: cpuRequest_milli(shares) });
    }
  }

  #weighClasses(): void {
    for (const name of CLASSES) {
      const requests = [...this.#requests.values()].filter(({ of }) => of === name);
      const shares = cpuShares(requests.reduce((sum, { cpu_milli }) => sum + cpu_milli, 0));
      if (this.#shares.get(name) === shares) continue;
      this.#cgroups.setLimits(`${this.#root}/${name}`, { cpuShares: shares });
      this.#shares.set(name, shares);
    }
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
      tcp_bytes: Math.min(resources.memoryLimit_bytes ?? Infinity, POD_TCP_BYTES_MAX),
      ...(this.#countsPids ? { pids: this.#pids.pod } : {}),
    });
    const cpu_milli = resources.cpuRequest_milli ?? 0;
    this.#requests.set(uidOf(pod), { of: classOf(pod), cpu_milli });
    this.#weighClasses();
  }

  /** Removes a pod's cgroup, of any class; processes still in it are killed. */
  async remove(podUid: string): Promise<void> {
    for (const name of CLASSES) {
      const path = `${this.#root}/${name}/pod${podUid}`;
      if (this.#cgroups.exists(path)) await this.#cgroups.remove(path, { clock: this.#clock });
    }
    if (this.#requests.delete(podUid)) this.#weighClasses();
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

  counters(pod: Pod): CgroupCounters | undefined {
    return this.#cgroups.counters(this.pathOf(pod));
  }

  oomKills(pod: Pod): number | undefined {
    return this.#cgroups.oomKills(this.pathOf(pod));
  }

  /** The pod's processes. */
  processes(pod: Pod): number[] {
    return this.#cgroups.pids(this.pathOf(pod));
  }
}
