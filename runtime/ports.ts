import type { Cgroups } from "@raft2kube/linux/cgroup/cgroup.ts";
import type { MappedIds } from "@raft2kube/linux/namespace/user-namespace.ts";
import type { Logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { KeyedTurns } from "@raft2kube/std/turns.ts";
import type { DiskUsages } from "./container/disk-usage.ts";
import type { ExecCounts } from "./container/exec-counts.ts";
import type { ExecOutputs } from "./container/exec-output.ts";
import type { ContainerRecord } from "./container/record.ts";
import type { EventHub } from "./events.ts";
import type { RegistryEndpoints } from "./image/registry.ts";
import type { ImageStore } from "./image/store.ts";
import type { OciHandlers } from "./oci/handlers.ts";
import type { OciRuntime } from "./oci/runtime.ts";
import type { OtherRecords } from "./other-records.ts";
import type { RuntimePaths } from "./paths.ts";
import type { RecordTable } from "./record-table.ts";
import type { SandboxNetwork } from "./sandbox/network.ts";
import { isPinned, pinnedNamespace } from "./sandbox/pinned-namespaces.ts";
import type { SandboxRecord } from "./sandbox/record.ts";
import { hasOwnTime } from "./sandbox/time-namespace.ts";
import type { StreamingServer } from "./streaming/server.ts";

// The ports of the runtime's operations: each operation takes those that it uses.

/** Time, folders and log. */
export type Base = { readonly clock: Clock; readonly paths: RuntimePaths; readonly log: Logger };

export interface Records {
  readonly sandboxes: RecordTable<SandboxRecord>;
  readonly containers: RecordTable<ContainerRecord>;
  /** Serializes the changes of each sandbox and container, by id. */
  readonly turns: KeyedTurns;
}

/** Resources of the machine that containers can have. */
export interface Machine {
  readonly cgroups: Cgroups;
  /** Cgroup parent of sandboxes that name none. */
  readonly cgroupParent: string;
  /** Capabilities that containers can have at most. */
  readonly ownCapabilities: ReadonlySet<string>;
  /** The ids that containers can run as, and that files can belong to. */
  readonly ids: MappedIds;
}

/** The programs that are run. */
export interface Programs {
  readonly oci: OciHandlers;
  readonly conmonPath: string;
  readonly pausePath: string;
}

/** Ports of the operations that start or end processes. */
export type ProcessPorts = Base & Records & Machine & Programs;

export type Images = { readonly images: ImageStore; readonly registries: RegistryEndpoints };

export type Network = { readonly network: SandboxNetwork };

/** Sandboxes and containers of other runtimes on the same images, which can only be listed. */
export type Others = { readonly others: OtherRecords };

export type Events = { readonly events: EventHub };

/** Ends of containers, as an ExitWatcher finds them. */
export interface Exits {
  /** Checks immediately whether a container has ended. Does not wait for the calls under way. */
  check(id: string): void;
  /**
   * Resolves when a container no longer runs, after `timeout_ms`, or soon after the signal's abort.
   * Returns whether it ended.
   */
  ended(id: string, timeout_ms: number, signal?: AbortSignal): Promise<boolean>;
}

export type Ends = { readonly exits: Exits };

export type Execs = { readonly execs: ExecCounts; readonly execOutputs: ExecOutputs };

export type Streams = { readonly streaming: StreamingServer };

export type DiskUse = { readonly diskUsages: DiskUsages };

/**
 * The OCI runtime of a container: its sandbox's, whose clocks it has. With `isOver` the container
 * is only looked for and removed, so that the sandbox's may be gone.
 */
export function ociOf(
  {
    oci,
    sandboxes,
    paths,
  }: Pick<Programs, "oci"> & Pick<Records, "sandboxes"> & Pick<Base, "paths">,
  { sandboxId }: { sandboxId: string },
  { isOver = false } = {},
): OciRuntime {
  const sandbox = sandboxes.find(sandboxId);
  const name = sandbox?.runtimeHandler ?? "";
  const found = isOver ? oci.releaserOf(name) : oci.of(name);
  if (sandbox === undefined || !hasOwnTime(sandbox.config)) return found;
  const time = pinnedNamespace(paths.sandbox(sandboxId), "time");
  return isPinned(time) ? found.within(time) : found;
}
