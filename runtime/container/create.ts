import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { removePath } from "@raft2kube/linux/beneath/remove-tree.ts";
import type { ContainerConfig, CreateContainerRequest } from "@raft2kube/proto/gen/cri.ts";
import { withoutEnd } from "@raft2kube/std/text.ts";
import { RuntimeError } from "../errors.ts";
import { containerIds, requireSameIds, sandboxIds } from "../oci/pod-ids.ts";
import { homeOf, mappedUser, resolveUser } from "../oci/user.ts";
import type { Base, Events, Images, ProcessPorts, Programs, Records } from "../ports.ts";
import { newId } from "../record-table.ts";
import { hasNamespaces, pinNamespaces, pinnedNamespace } from "../sandbox/pinned-namespaces.ts";
import type { SandboxRecord } from "../sandbox/record.ts";
import { cdiEdits } from "./cdi.ts";
import { mountImageVolumes, unmountImageVolumes } from "./image-volumes.ts";
import type { PodUsers } from "./layers.ts";
import type { ContainerRecord, OciExtras } from "./record.ts";
import { mountRootfs, removeContainerFiles, unmountRootfs } from "./rootfs.ts";
import { criSignalName, signalNumber } from "./signals.ts";
import { containerSpec } from "./spec.ts";

type CreatePorts = ProcessPorts & Images & Events;

/** Properties of containers made by hand. */
interface ByHand {
  /** The container's id, chosen by the caller. */
  id?: string;
  extras?: OciExtras;
}

const DEFAULT_STOP_SIGNAL = "SIGTERM";

/**
 * Returns a sandbox whose namespaces are there and pinned: those of one that an earlier version
 * started, by its first process, are pinned here.
 */
function requireReady(runtime: Base & Records, id: string): SandboxRecord {
  const sandbox = runtime.sandboxes.get(id);
  const { state, pause, pins } = sandbox;
  if (state !== "ready" || (pause ?? pins) === undefined) {
    throw new RuntimeError("failed-precondition", `sandbox ${id} is not ready`);
  }
  if (!hasNamespaces(sandbox)) {
    const message = `the namespaces of sandbox ${id} are gone`;
    throw new RuntimeError("failed-precondition", message, { remedy: "run another sandbox" });
  }
  if (pause) pinNamespaces(runtime.paths.sandbox(id), pause);
  return sandbox;
}

/** The log file, which stays below the pod's log directory. */
function logPathOf(sandbox: SandboxRecord, logPath: string): string | undefined {
  const { logDirectory } = sandbox.config;
  if (logDirectory === "" || logPath === "") return undefined;
  const file = path.join(logDirectory, logPath);
  if (file.startsWith(`${withoutEnd(path.normalize(logDirectory), "/")}/`)) return file;
  throw new RuntimeError("invalid-argument", `log path ${logPath} leaves the log directory`);
}

/** Throws already-exists for a second container of the same name and attempt in a sandbox. */
function requireNew(runtime: Records, request: CreateContainerRequest): void {
  const wanted = request.config?.metadata;
  const same = runtime.containers
    .values()
    .find(
      ({ sandboxId, config: { metadata } }) =>
        sandboxId === request.podSandboxId &&
        metadata?.name === wanted?.name &&
        metadata?.attempt === wanted?.attempt,
    );
  if (!same) return;
  throw new RuntimeError("already-exists", `the container exists already: ${same.id}`);
}

async function requireRecursiveReadOnly(
  runtime: Programs,
  { runtimeHandler }: SandboxRecord,
  config: ContainerConfig,
): Promise<void> {
  const asked = config.mounts.find((mount) => mount.recursiveReadOnly);
  if (asked === undefined || (await runtime.oci.of(runtimeHandler).recursiveReadOnly())) return;
  const what = `a recursive read-only mount (at ${asked.containerPath})`;
  throw new RuntimeError("unimplemented", `${what} is not supported by the OCI runtime and kernel`);
}

/** The users of a pod with a user namespace, which is that of its first process. */
function usersOf({ paths }: Base, { id, config }: SandboxRecord): PodUsers | undefined {
  const ids = sandboxIds(config);
  if (ids === undefined) return undefined;
  const namespace = pinnedNamespace(paths.sandbox(id), "user");
  return { namespace, uid: ids.users.hostID, gid: ids.groups.hostID };
}

/**
 * Returns the record as it is kept in memory. The variables and the command line of a pod's
 * container, megabytes, are in config.json alone: only containers made by hand are renewed.
 */
export function withoutProgram(record: ContainerRecord): ContainerRecord {
  if (record.extras) return record;
  return { ...record, config: { ...record.config, command: [], args: [], envs: [] } };
}

/** Creates the container's files and bundle. Returns its record. */
async function build(
  runtime: ProcessPorts & Images,
  id: string,
  request: Pick<CreateContainerRequest, "podSandboxId" | "config">,
  extras?: OciExtras,
): Promise<ContainerRecord> {
  const sandbox = requireReady(runtime, request.podSandboxId);
  const asked = request.config!;
  await requireRecursiveReadOnly(runtime, sandbox, asked);
  const image = runtime.images.get(asked.image?.image ?? "");
  const paths = runtime.paths.container(id);
  const context = asked.linux?.securityContext;
  const ids = sandboxIds(sandbox.config);
  requireSameIds(ids, context?.namespaceOptions?.usernsOptions);
  const users = usersOf(runtime, sandbox);
  const { mounts, diffIds } = await mountImageVolumes(runtime, paths, asked.mounts, users);
  const config = { ...asked, mounts };
  await mountRootfs(paths, runtime.images.lowerDirectories(image), users);
  const defaults = image.config.config ?? {};
  const wanted = resolveUser(
    paths.rootfs,
    extras?.user ?? defaults.User ?? "",
    context,
    extras?.groups,
  );
  const user = mappedUser(wanted, containerIds(runtime, ids), context?.supplementalGroups ?? []);
  const parent = sandbox.config.linux?.cgroupParent || runtime.cgroupParent;
  const cgroup = `${parent}/${id}`;
  const home = homeOf(paths.rootfs, user.uid);
  const spec = containerSpec(runtime, {
    id,
    sandbox,
    config,
    image,
    user,
    home,
    cgroup,
    cdi: await cdiEdits(asked.CDIDevices.map(({ name }) => name)),
    ...(extras && { extras }),
  });
  await writeFile(paths.config, JSON.stringify(spec), { mode: 0o600 });
  const stopSignal = config.stopSignal
    ? criSignalName(config.stopSignal)
    : defaults.StopSignal || DEFAULT_STOP_SIGNAL;
  signalNumber(stopSignal);
  const logPath = logPathOf(sandbox, config.logPath);
  if (logPath !== undefined) await mkdir(path.dirname(logPath), { recursive: true });
  const resources = config.linux?.resources;
  return withoutProgram({
    id,
    sandboxId: sandbox.id,
    config: asked,
    image: {
      id: image.id,
      ref: image.repoDigests[0] ?? image.id,
      diffIds: [...image.diffIds, ...diffIds],
    },
    createdAt_ms: runtime.clock.now(),
    phase: { state: "created" },
    ...(logPath !== undefined && { logPath }),
    cgroup,
    user,
    stopSignal,
    ...(resources && { resources }),
    ...(extras && { extras }),
  });
}

/**
 * Serves CreateContainer: prepares everything except the process. A failure leaves nothing behind.
 * One at a time in a sandbox, so that a second container of the same name is refused, and none is
 * created in a sandbox that is being removed.
 */
export async function createContainer(
  runtime: CreatePorts,
  request: CreateContainerRequest,
  by: ByHand = {},
): Promise<string> {
  if (!request.config?.metadata?.name) {
    throw new RuntimeError("invalid-argument", "the container has no metadata");
  }
  return await runtime.turns.run(request.podSandboxId, () => createNow(runtime, request, by));
}

/**
 * Creates a container of a new name: its files and then its record. A failure removes the files, of
 * which any may be missing. Reports `created`; returns the id.
 */
async function createNow(
  runtime: CreatePorts,
  request: CreateContainerRequest,
  { id = newId(), extras }: ByHand,
): Promise<string> {
  // lab:10 begin createNow
  requireNew(runtime, request);
  const paths = runtime.paths.container(id);
  try {
    await runtime.containers.put(await build(runtime, id, request, extras));
  } catch (error) {
    await unmountRootfs(paths);
    await unmountImageVolumes(paths);
    await removeContainerFiles(paths);
    throw error;
  }
  runtime.events.containerEvent("created", id, request.podSandboxId);
  return id;
  // lab:10 end
}

/**
 * Makes an ended container ready for another start, on what it wrote before. Its sandbox must be
 * ready, and its image present.
 */
export async function renewContainer(
  runtime: ProcessPorts & Images,
  id: string,
): Promise<ContainerRecord> {
  return await runtime.turns.run(id, async () => {
    const record = runtime.containers.get(id);
    if (record.phase.state === "running" || record.phase.state === "starting") {
      throw new RuntimeError("failed-precondition", `container ${id} is ${record.phase.state}`);
    }
    const paths = runtime.paths.container(id);
    await unmountRootfs(paths);
    await unmountImageVolumes(paths);
    await removePath(paths.run);
    await rm(paths.exitFile, { force: true });
    const { config, createdAt_ms, sandboxId: podSandboxId, extras } = record;
    const fresh = await build(runtime, id, { podSandboxId, config }, extras);
    const renewed: ContainerRecord = { ...fresh, createdAt_ms };
    await runtime.containers.put(renewed);
    return renewed;
  });
}
