import os from "node:os";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import {
  type MeasuredSockets,
  type SocketBuffers,
  unchargedBuffers,
} from "@raft2kube/linux/netlink/uncharged-buffers.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { podResources } from "../containers/qos.ts";
import { SOCKET_LOOK_MS, TCP_SHARE } from "../limits.ts";
import { POD_TCP_BYTES_MAX } from "../sandbox/pod-cgroup.ts";
import type { PodWorkers } from "../sync/pod-workers.ts";
import type { PodProcesses } from "./measure-storage.ts";
import { isCritical, isEvictable } from "./plan.ts";

/** The part of the machine's memory that buffers of all TCP connections may have. */
export const TCP_BYTES_MAX = Math.floor(os.totalmem() * TCP_SHARE);

/**
 * Measures the socket buffers in the pod's own network namespace that are memory of no cgroup. The
 * first process that can be looked at stands for all.
 */
export async function socketBuffers(
  { spec }: Pod,
  processes: readonly number[],
  measured: MeasuredSockets = { enough_bytes: Infinity, tcp: true },
): Promise<SocketBuffers> {
  if (!spec.hostNetwork) {
    for (const pid of processes) {
      const found = await unchargedBuffers(pid, measured);
      if (found) return found;
    }
  }
  return { tcp_bytes: 0, other_bytes: 0 };
}

export interface SocketLimitsOptions {
  readonly clock: Pick<Clock, "monotonic">;
  readonly workers: Pick<PodWorkers, "list">;
  readonly cgroups: PodProcesses;
  evict(pod: Pod, message: string): void;
  /** The memory that is available on the node, and that TCP connections of the machine have. */
  available_bytes(): Promise<number>;
  tcp_bytes(): Promise<number>;
  measure?: typeof socketBuffers;
}

/**
 * Evicts pods whose sockets have more than the pod's limit of memory in buffers that the kernel
 * counts for no cgroup, of which 64 MiB of descriptors keep gigabytes; not of TCP, whose buffers
 * the clients of a busy server fill. While connections of the machine have more than TCP_BYTES_MAX,
 * evicts those with more than POD_TCP_BYTES_MAX, the largest first. Looks when the node has lost
 * as much memory since the last look, and from time to time.
 */
export class SocketLimits {
  readonly #options: SocketLimitsOptions;
  /** The most memory that was available since the last look. */
  #most_bytes = 0;
  #looked_ms = -Infinity;

  constructor(options: SocketLimitsOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { clock, available_bytes, tcp_bytes, workers, evict } = this.#options;
    const now_bytes = await available_bytes();
    this.#most_bytes = Math.max(this.#most_bytes, now_bytes);
    const isLost = this.#most_bytes - now_bytes >= POD_TCP_BYTES_MAX;
    if (!isLost && clock.monotonic() - this.#looked_ms < SOCKET_LOOK_MS) return;
    this.#most_bytes = now_bytes;
    this.#looked_ms = clock.monotonic();
    const large: { pod: Pod; tcp_bytes: number }[] = [];
    let excess_bytes = (await tcp_bytes()) - TCP_BYTES_MAX;
    for (const { allocated: pod } of workers.list().filter(isEvictable)) {
      if (isCritical(pod)) continue;
      const found_bytes = await this.#check(pod, excess_bytes > 0);
      if (found_bytes > POD_TCP_BYTES_MAX) large.push({ pod, tcp_bytes: found_bytes });
    }
    large.sort((a, b) => b.tcp_bytes - a.tcp_bytes);
    for (const { pod, tcp_bytes } of large) {
      if (excess_bytes <= 0) return;
      excess_bytes -= tcp_bytes;
      const message = `TCP connections of the machine have more than ${TCP_BYTES_MAX} bytes. `;
      evict(pod, `${message}Those of the pod that it has not accepted have ${tcp_bytes} bytes. `);
    }
  }

  /** Evicts a pod with more than its limit of memory; returns the bytes of its TCP connections. */
  async #check(pod: Pod, tcp: boolean): Promise<number> {
    const { cgroups, evict, measure = socketBuffers } = this.#options;
    const { memoryLimit_bytes: limit_bytes = Infinity } = podResources(pod);
    // Without a limit its other buffers count when memory is short.
    if (limit_bytes === Infinity && !tcp) return 0;
    const measured = { enough_bytes: Math.max(limit_bytes, TCP_BYTES_MAX) + 1, tcp };
    const { tcp_bytes, other_bytes } = await measure(pod, cgroups.processes(pod), measured);
    if (other_bytes > limit_bytes) {
      const buffers = "Buffers of the pod's sockets, which are memory of no cgroup,";
      evict(pod, `${buffers} exceed its limit of memory, ${limit_bytes} bytes. `);
    }
    return tcp_bytes;
  }
}
