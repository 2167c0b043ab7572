import type { Cgroups } from "@raft2kube/linux/cgroup/cgroup.ts";
import type { MappedIds } from "@raft2kube/linux/namespace/user-namespace.ts";
import type { Logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { DiskUsages } from "./container/disk-usage.ts";
import type { ExecCounts } from "./container/exec-counts.ts";
import type { ExecOutputs } from "./container/exec-output.ts";
import type { ContainerRecord } from "./container/record.ts";
import type { EventHub } from "./events.ts";
import type { RegistryEndpoints } from "./image/registry.ts";
import type { ImageStore } from "./image/store.ts";
import type { OciHandlers } from "./oci/handlers.ts";
import type { OciRuntime } from "./oci/runtime.ts";
import type { RuntimePaths } from "./paths.ts";
import type { RecordTable } from "./record-table.ts";
import type { PodNetwork } from "./sandbox/network.ts";
import type { SandboxRecord } from "./sandbox/record.ts";
import type { KeyedTurns } from "@raft2kube/reconcile/turns.ts";
import type { StreamingServer } from "./streaming/server.ts";

/** Ends of containers, as an ExitWatcher finds them. */
export interface Exits {
  /** Checks immediately whether a container has ended. Does not wait for the calls under way. */
  check(id: string): void;
  /** Resolves when a container no longer runs, or after `timeout_ms`. Returns whether it ended. */
  ended(id: string, timeout_ms: number): Promise<boolean>;
}

/** Dependencies of the runtime's operations; one object per runtime. */
export interface Runtime {
  readonly clock: Clock;
  readonly log: Logger;
  readonly paths: RuntimePaths;
  readonly oci: OciHandlers;
  readonly conmonPath: string;
  readonly pausePath: string;
  readonly cgroups: Cgroups;
  /** Where sandboxes without a cgroup parent of their own go. */
  readonly cgroupParent: string;
  /** Capabilities that containers can have at most. */
  readonly ownCapabilities: ReadonlySet<string>;
  /** The ids that containers can run as, and that files can belong to. */
  readonly ids: MappedIds;
  readonly images: ImageStore;
  readonly registries: RegistryEndpoints;
  readonly network: PodNetwork;
  readonly sandboxes: RecordTable<SandboxRecord>;
  readonly containers: RecordTable<ContainerRecord>;
  /** Serializes the changes of each sandbox and container, by id. */
  readonly turns: KeyedTurns;
  readonly events: EventHub;
  readonly exits: Exits;
  readonly streaming: StreamingServer;
  readonly diskUsages: DiskUsages;
  readonly execs: ExecCounts;
  readonly execOutputs: ExecOutputs;
}

/** The OCI runtime of a container: its sandbox's. */
export function ociOf(runtime: Runtime, { sandboxId }: { sandboxId: string }): OciRuntime {
  return runtime.oci.of(runtime.sandboxes.find(sandboxId)?.runtimeHandler ?? "");
}
