import { readFileSync } from "node:fs";
import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import {
  type InterfaceCounters,
  parseInterfaceCounters,
} from "@raft2kube/linux/proc/interface-counters.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import type {
  NetworkInterfaceUsage,
  NetworkUsage,
  PodSandboxStats,
  PodSandboxStatsFilter,
} from "@raft2kube/proto/gen/cri.ts";
import { ContainerState, PodSandboxState } from "@raft2kube/proto/gen/cri.ts";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";
import { groupUsage, listContainerStats } from "../container/stats.ts";
import type { Base, DiskUse, Machine, Records } from "../ports.ts";
import { nanoseconds } from "../time.ts";
import { POD_INTERFACE } from "./network.ts";
import type { SandboxRecord } from "./record.ts";
import { selectSandboxes } from "./status.ts";

/** An interface's counters, in CRI's words. */
const interfaceUsage = (counters: InterfaceCounters): NetworkInterfaceUsage => ({
  name: counters.name,
  rxBytes: { value: counters.rx_bytes },
  rxErrors: { value: counters.rx_errors },
  txBytes: { value: counters.tx_bytes },
  txErrors: { value: counters.tx_errors },
});

/** The pod's interfaces; undefined when its network namespace is gone. */
export function interfacesOf({ netns }: SandboxRecord): InterfaceCounters[] | undefined {
  if (netns === undefined) return undefined;
  const text = tolerateSync(
    () => inNetns(netns, () => readFileSync("/proc/thread-self/net/dev", "latin1")),
    errno("ENOENT", "EINVAL"),
  );
  return text === undefined ? undefined : parseInterfaceCounters(text);
}

export function networkUsage(
  record: SandboxRecord,
  timestamp: bigint,
): Init<NetworkUsage> | undefined {
  const interfaces = interfacesOf(record)?.map(interfaceUsage);
  if (interfaces === undefined) return undefined;
  const defaultInterface = interfaces.find(({ name }) => name === POD_INTERFACE);
  return {
    timestamp,
    ...(defaultInterface && { defaultInterface }),
    interfaces: interfaces.filter(({ name }) => name !== POD_INTERFACE),
  };
}

/** The pod's own group when the kubelet made one, else the pause process's. */
export const podGroup = ({ config, cgroup }: SandboxRecord): string =>
  config.linux?.cgroupParent || cgroup;

/** PodSandboxStats: the pod's group as a whole, its network, and each of its containers. */
export async function sandboxStats(
  runtime: Base & Records & Machine & DiskUse,
  record: SandboxRecord,
): Promise<Init<PodSandboxStats>> {
  const { id, config } = record;
  const timestamp = nanoseconds(runtime.clock.now());
  const usage = runtime.cgroups.usage(podGroup(record));
  const network = networkUsage(record, timestamp);
  return {
    attributes: {
      id,
      metadata: config.metadata,
      labels: config.labels,
      annotations: config.annotations,
    },
    linux: {
      ...(usage && {
        ...groupUsage(usage, timestamp),
        process: { timestamp, processCount: { value: usage.pids } },
      }),
      ...(network && { network }),
      containers: await listContainerStats(runtime, { podSandboxId: id, state: RUNNING }, "soon"),
    },
  };
}

const RUNNING = { state: ContainerState.CONTAINER_RUNNING };

/** Statistics of the ready sandboxes that pass a filter. */
export async function listSandboxStats(
  runtime: Base & Records & Machine & DiskUse,
  filter: Partial<PodSandboxStatsFilter> | undefined,
): Promise<Init<PodSandboxStats>[]> {
  const state = { state: PodSandboxState.SANDBOX_READY };
  const records = selectSandboxes(runtime.sandboxes.values(), { ...filter, state });
  return Promise.all(records.map((record) => sandboxStats(runtime, record)));
}
