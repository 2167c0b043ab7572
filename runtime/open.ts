import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Invoke } from "@raft2kube/cni/lib/types.ts";
import { setDirectoryMode } from "@raft2kube/linux/beneath/directory-mode.ts";
import { type CgroupMode, cgroupsOf } from "@raft2kube/linux/cgroup/open-cgroups.ts";
import { type FileLock, waitForLock } from "@raft2kube/linux/file/flock.ts";
import { readMappedIds } from "@raft2kube/linux/namespace/user-namespace.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { KeyedTurns } from "@raft2kube/std/turns.ts";
import { WaitTimeoutError } from "@raft2kube/std/wait.ts";
import { DiskUsages } from "./container/disk-usage.ts";
import { ExecCounts } from "./container/exec-counts.ts";
import { ExecOutputs } from "./container/exec-output.ts";
import { ExitWatcher } from "./container/exit-watcher.ts";
import { CONTAINER_STATE, type ContainerRecord } from "./container/record.ts";
import { RuntimeError } from "./errors.ts";
import { EventHub } from "./events.ts";
import type { RegistryEndpoints } from "./image/registry.ts";
import { ImageStore, type KeptContent, layersOf } from "./image/store.ts";
import { ownCapabilities } from "./oci/capabilities.ts";
import { OciHandlers } from "./oci/handlers.ts";
import { prepareCgroups } from "./oci/hidden-cgroups.ts";
import type { OciProgram } from "./oci/program.ts";
import { OciRuntime } from "./oci/runtime.ts";
import { layersOfOthers, OtherRecords } from "./other-records.ts";
import { type RuntimePaths, runtimePaths } from "./paths.ts";
import { podOf } from "./pod-group.ts";
import { reconcile } from "./reconcile.ts";
import { RecordTable } from "./record-table.ts";
import { PodNetwork, type SandboxNetwork } from "./sandbox/network.ts";
import { SANDBOX_STATE, type SandboxRecord } from "./sandbox/record.ts";

/** Where a runtime keeps its state, and the programs it drives. */
export interface OpenOptions {
  /** Mounts, pids, sockets: gone with the machine's run. Short, as sockets are in it. */
  stateDir: string;
  /** Images, containers' layers, records: kept. */
  rootDir: string;
  cniConfDir: string;
  cniBinDirs: string[];
  /** How CNI plugins are called; by default each as a process. */
  cniInvoke?: Invoke;
  /** Cgroup of sandboxes for which the caller names none: absolute, `/r2k/default/pods`. */
  cgroupParent: string;
  /** Cgroups, by default the machine's. */
  cgroups?: CgroupMode;
  /** The folder of images, if several runtimes share it; by default in `rootDir`. */
  imagesDir?: string;
  /** Root folders of other runtimes that stand on the same images. */
  otherRoots?: readonly string[];
  /** Other content that is kept in the images' folder. */
  keptContent?: () => Promise<KeptContent>;
  /** Networks of sandboxes; by default the first file of `cniConfDir`. */
  network?: SandboxNetwork;
  /** How long to wait for another runtime that uses the folder; by default 0. */
  lockTimeout_ms?: number;
  ociRuntime: OciProgram;
  /** Further ones that a RuntimeClass can name by their kinds. */
  otherOciRuntimes?: readonly OciProgram[];
  /**
   * The command of our own OCI runtime (`by-hand/`), and whether new pods may choose it by the
   * handler `by-hand`. Absent: it is not known.
   */
  byHand?: { readonly command: readonly string[]; readonly isOffered: boolean };
  /** Paths of conmon and of catatonit, which is the pause program. */
  conmon: string;
  pausePath: string;
  /**
   * Where registries really are, by the domain in image names; plain HTTP only where it says so.
   */
  registries?: RegistryEndpoints;
  /** Output that ExecSync calls hold, all together; by default EXEC_SYNC_ALL_BYTES. */
  execOutput_bytes?: number;
  clock: Clock;
}

/** The operations' ports, while no other process uses the runtime's folders. */
export type OpenRuntime = ReturnType<typeof buildRuntime>;

/** Constructs the ports of the runtime's operations (`ports.ts`). */
function buildRuntime(options: OpenOptions) {
  const { clock, cgroups = "machine" } = options;
  const paths = runtimePaths(path.resolve(options.rootDir), path.resolve(options.stateDir));
  const sandboxes = new RecordTable<SandboxRecord>(
    "sandbox",
    SANDBOX_STATE,
    (id) => paths.sandbox(id).record,
    podOf,
  );
  const containers = new RecordTable<ContainerRecord>(
    "container",
    CONTAINER_STATE,
    (id) => paths.container(id).record,
    podOf,
  );
  const log = logger("runtime");
  const layersInUse = async () => [
    ...containers.values().flatMap(({ image }) => layersOf(image)),
    ...(await layersOfOthers(options.otherRoots ?? [])),
  ];
  const imagesDir = options.imagesDir ?? paths.images;
  return {
    clock,
    log,
    paths,
    oci: ociHandlers(options, paths, cgroups),
    conmonPath: options.conmon,
    pausePath: options.pausePath,
    cgroups: cgroupsOf(cgroups),
    cgroupParent: options.cgroupParent,
    ownCapabilities: ownCapabilities(),
    ids: readMappedIds(),
    registries: options.registries ?? {},
    images: new ImageStore(imagesDir, layersInUse, options.keptContent),
    network: options.network ?? podNetwork(options, paths),
    others: new OtherRecords(options.otherRoots ?? []),
    sandboxes,
    containers,
    turns: new KeyedTurns(),
    events: new EventHub(),
    exits: new ExitWatcher(),
    diskUsages: new DiskUsages(clock),
    execs: new ExecCounts(),
    execOutputs: new ExecOutputs(options.execOutput_bytes),
  };
}

function podNetwork(options: OpenOptions, paths: RuntimePaths): SandboxNetwork {
  return new PodNetwork({
    confDir: options.cniConfDir,
    binDirs: options.cniBinDirs,
    cacheDir: paths.cniCache,
    ...(options.cniInvoke ? { invoke: options.cniInvoke } : {}),
  });
}

/** Our own OCI runtime is started as one file, by conmon too; `open` writes it. */
function ociHandlers(
  { byHand, ociRuntime, otherOciRuntimes = [] }: OpenOptions,
  paths: RuntimePaths,
  cgroups: CgroupMode,
): OciHandlers {
  const of = (program: OciProgram) => new OciRuntime(program, paths.oci, cgroups, paths.root);
  const first = of(ociRuntime);
  if (cgroups === "none") return new OciHandlers(first);
  const others = otherOciRuntimes.map(of);
  if (byHand === undefined) return new OciHandlers(first, others);
  const own = of({ path: paths.byHand, kind: "by-hand" });
  return byHand.isOffered
    ? new OciHandlers(first, [...others, own])
    : new OciHandlers(first, others, [own]);
}

async function writeOwnOciRuntime(file: string, command: readonly string[]): Promise<void> {
  const words = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`);
  await writeFile(file, `#!/bin/sh\nexec ${words.join(" ")} "$@"\n`, { mode: 0o700 });
}

/** Only one runtime may use a folder: two would each take the other's containers for leftovers. */
async function lockOrThrow(root: string, timeout_ms: number): Promise<FileLock> {
  const file = path.join(root, "lock");
  try {
    return await waitForLock(file, { mode: "exclusive", timeout_ms });
  } catch (error) {
    if (!(error instanceof WaitTimeoutError)) throw error;
    throw new RuntimeError("failed-precondition", `another runtime uses ${root}`, {
      remedy: `find it by: fuser ${file}`,
    });
  }
}

/** Takes what the runtime needs, each thing with its release put on `held`. */
async function open(
  runtime: ReturnType<typeof buildRuntime>,
  options: OpenOptions,
  resources: AsyncDisposableStack,
): Promise<void> {
  const { paths, exits } = runtime;
  // No user of the machine is to reach the set-id programs of a container (CVE-2021-41103).
  for (const folder of [paths.root, paths.state]) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    setDirectoryMode(folder, 0o700);
  }
  resources.use(await lockOrThrow(paths.root, options.lockTimeout_ms ?? 0));
  if (options.byHand) await writeOwnOciRuntime(paths.byHand, options.byHand.command);
  const { cgroups = "machine", ociRuntime } = options;
  if (cgroups === "none" || ociRuntime.kind === "crun") {
    resources.use(prepareCgroups(cgroups, paths.cgroupV1));
  }
  resources.defer(() => runtime.turns.idle());
  await exits.open(runtime);
  resources.defer(() => exits.close());
  await runtime.images.open();
  await reconcile(runtime);
}

/**
 * Opens a runtime's folders for operations of this process. Containers that an earlier run left are
 * found. No other process has them until it is closed. Rejects when the machine lacks something,
 * naming it; nothing is held then.
 */
export async function openRuntime(
  options: OpenOptions,
): Promise<{ runtime: OpenRuntime; close(): Promise<void> }> {
  const runtime = buildRuntime(options);
  const resources = new AsyncDisposableStack();
  try {
    await open(runtime, options, resources);
  } catch (error) {
    await resources.disposeAsync();
    throw error;
  }
  return { runtime, close: () => resources.disposeAsync() };
}
