import type { Init } from "@raft2kube/proto/codec.ts";
import {
  type PodSandbox,
  type PodSandboxFilter,
  PodSandboxState,
  type PodSandboxStatus,
} from "@raft2kube/proto/gen/cri.ts";
import { matchesLabels } from "../container/status.ts";
import { isAlive } from "../process-identity.ts";
import { nanoseconds } from "../time.ts";
import { hasNamespaces } from "./pinned-namespaces.ts";
import type { SandboxRecord } from "./record.ts";

/** A sandbox is ready while its first process, which holds its namespaces, runs. */
export function sandboxState(record: SandboxRecord): PodSandboxState {
  const isPinned = record.pins !== undefined && hasNamespaces(record);
  if (isPinned && record.state === "ready") return PodSandboxState.SANDBOX_READY;
  // lab:10 begin sandboxState
  const ready = record.state === "ready" && record.pause !== undefined && isAlive(record.pause);
  return ready ? PodSandboxState.SANDBOX_READY : PodSandboxState.SANDBOX_NOTREADY;
  // lab:10 end
}

/** One line of ListPodSandbox. */
export function sandboxLine(record: SandboxRecord): Init<PodSandbox> {
  const { config } = record;
  return {
    id: record.id,
    metadata: config.metadata,
    state: sandboxState(record),
    createdAt: nanoseconds(record.createdAt_ms),
    labels: config.labels,
    annotations: config.annotations,
    runtimeHandler: record.runtimeHandler,
  };
}

/** PodSandboxStatus. Addresses are those of the pod's own network; none with the host's. */
export function sandboxStatus(record: SandboxRecord): Init<PodSandboxStatus> {
  const { config } = record;
  const [ip = "", ...rest] = record.ips;
  return {
    id: record.id,
    metadata: config.metadata,
    state: sandboxState(record),
    createdAt: nanoseconds(record.createdAt_ms),
    network: { ip, additionalIps: rest.map((address) => ({ ip: address })) },
    linux: { namespaces: { options: config.linux?.securityContext?.namespaceOptions } },
    labels: config.labels,
    annotations: config.annotations,
    runtimeHandler: record.runtimeHandler,
  };
}

/** Returns those of some sandboxes that pass a filter, the oldest first. */
export function selectSandboxes(
  records: readonly SandboxRecord[],
  filter: Partial<PodSandboxFilter> = {},
): SandboxRecord[] {
  return records
    .filter(
      (record) =>
        (!filter.id || record.id === filter.id) &&
        (!filter.state || sandboxState(record) === filter.state.state) &&
        matchesLabels(record.config.labels, filter.labelSelector),
    )
    .sort((a, b) => a.createdAt_ms - b.createdAt_ms);
}
