import { randomBytes } from "node:crypto";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import type { Container, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import type { ContainerConfig, PodSandboxConfig } from "@raft2kube/proto/gen/cri.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { errno, messageOf, tolerate } from "@raft2kube/std/errors.ts";
import type { Allocations } from "../allocation/allocations.ts";
import { containerConfig } from "../containers/container-config.ts";
import { makeEnv } from "../containers/env.ts";
import { envFiles } from "../containers/env-file.ts";
import { runHook } from "../containers/lifecycle-hook.ts";
import { containerMounts } from "../containers/mounts.ts";
import type { NodeMemory } from "../containers/resources.ts";
import { serviceEnv } from "../containers/service-env.ts";
import type { ObservedPod, ObservedSandbox } from "../cri/observed.ts";
import { podRun } from "../cri/pod-run.ts";
import type { Runtime } from "../cri/runtime.ts";
import type { DeviceManager } from "../devices/device-allocation.ts";
import { ImageError, type ImagePuller } from "../images/pull.ts";
import type { ReadyImage } from "../images/ready-image.ts";
import { FILE_NAME_MAX } from "../limits.ts";
import type { KubeletOptions } from "../options.ts";
import type { NodeAllocatable } from "../pods/downward.ts";
import type { PodEventSink } from "../pods/pod-event-sink.ts";
import { isStatic, nameOf, namespaceOf, uidOf } from "../pods/pod-identity.ts";
import type { PodObjects } from "../pods/pod-objects.ts";
import {
  containerDir,
  containerLogPath,
  hostsFile,
  type PodPaths,
  podLogDir,
} from "../pods/pod-paths.ts";
import { ReasonError } from "../pods/reason-error.ts";
import type { SandboxNode } from "../sandbox/sandbox-config.ts";
import type { ReadyVolume } from "../volumes/plugin.ts";
import { debugTarget } from "./debug-target.ts";
import type { StartAction } from "./plan-actions.ts";
import type { PodTurns } from "./pod-turns.ts";
import { writeHostsFile } from "./start-sandbox.ts";
import { stopContainer } from "./stop-pod.ts";

/** A container could not be started; `reason` is what its status shows as waiting reason. */
export class StartError extends ReasonError {
  override readonly name = "StartError";
}

/** Facts of the node that pods can see. */
export interface NodeFacts extends NodeMemory {
  allocatable(): NodeAllocatable;
  hostIPs: string[];
}

export interface StartPorts {
  readonly clock: Clock;
  readonly runtime: Runtime;
  readonly turns: Pick<PodTurns, "run">;
  readonly events: PodEventSink;
  readonly images: Pick<ImagePuller, "ensure">;
  readonly objects: PodObjects;
  readonly devices: Pick<DeviceManager, "allocate" | "preStart">;
  readonly allocations: Pick<Allocations, "actuate">;
  readonly node: NodeFacts;
  readonly paths: PodPaths;
  readonly sandboxNode: Pick<SandboxNode, "clusterDns" | "seccomp" | "users">;
  /** Resolves when the pod's network policies are in force (`KubeletOptions.admitNetwork`). */
  readonly admitNetwork: NonNullable<KubeletOptions["admitNetwork"]>;
}

export interface StartContext {
  ports: StartPorts;
  pod: Pod;
  observed: ObservedPod;
  sandbox: ObservedSandbox;
  sandboxConfig: Init<PodSandboxConfig>;
  volumes: ReadonlyMap<string, ReadyVolume>;
  podIPs: string[];
  /** Signal that is aborted when the pod is to be stopped. */
  signal: AbortSignal;
}

/**
 * Starts one container, from its image to its postStart hook. Throws StartError, whose events are
 * recorded already, or any error when the signal is aborted.
 */
export async function startContainer(context: StartContext, action: StartAction): Promise<void> {
  const { ports, pod } = context;
  const { container } = action;
  // It starts with the resources allocated now.
  await ports.allocations.actuate(uidOf(pod), [container.name]);
  const failed = (reason: string, thrown: unknown): StartError => {
    if (context.signal.aborted) throw thrown;
    const message = messageOf(thrown);
    ports.events.record(pod, "Warning", "Failed", `Error: ${message}`, container.name);
    return new StartError(reason, message);
  };
  let image: ReadyImage;
  let imageVolumes: ReadonlyMap<string, string>;
  try {
    image = await ports.images.ensure(pod, container, context.signal);
    imageVolumes = await pullImageVolumes(context, container);
  } catch (thrown) {
    if (context.signal.aborted) throw thrown;
    if (!(thrown instanceof ImageError)) throw failed("ErrImagePull", thrown);
    ports.events.record(pod, "Warning", "Failed", `Error: ${thrown.reason}`, container.name);
    throw new StartError(thrown.reason, thrown.message);
  }
  const address = context.podIPs.find((ip) => !ip.includes(":"));
  try {
    if (address !== undefined && !pod.spec.hostNetwork) {
      const { observed, sandbox } = context;
      const hasRun = observed.containers.some(({ sandboxId }) => sandboxId === sandbox.id);
      await ports.admitNetwork(pod, address, hasRun);
    }
  } catch (thrown) {
    throw failed("NetworkNotReady", thrown);
  }
  let config: Init<ContainerConfig>;
  try {
    config = await configOf(context, action, { image, imageVolumes });
  } catch (thrown) {
    throw failed("CreateContainerConfigError", thrown);
  }
  const containerId = await create(context, config, container, failed);
  try {
    await ports.devices.preStart(pod, container);
    const start = () => ports.runtime.runtime.startContainer({ containerId });
    await ports.turns.run(pod, start, context.signal);
  } catch (thrown) {
    throw failed("RunContainerError", thrown);
  }
  ports.events.record(pod, "Normal", "Started", "Container started", container.name);
  await linkLog(context, action, containerId);
  await postStart(context, container, containerId);
}

/**
 * Pulls the images that a container has as volumes, by their own pull policies. Returns their ids
 * by the volumes' names. Throws ImageError.
 */
async function pullImageVolumes(
  { ports, pod, volumes, signal }: StartContext,
  container: Container,
): Promise<Map<string, string>> {
  const pulled = new Map<string, string>();
  for (const { name } of container.volumeMounts ?? []) {
    const volume = volumes.get(name);
    if (volume?.kind !== "image" || pulled.has(name)) continue;
    const { image, pullPolicy } = volume;
    const asked: Container = {
      name: container.name,
      image,
      ...(pullPolicy && { imagePullPolicy: pullPolicy }),
    };
    pulled.set(name, (await ports.images.ensure(pod, asked, signal)).imageRef);
  }
  return pulled;
}

async function create(
  { ports, pod, sandbox, sandboxConfig, signal }: StartContext,
  config: Init<ContainerConfig>,
  container: Container,
  failed: (reason: string, thrown: unknown) => StartError,
): Promise<string> {
  try {
    const request = { podSandboxId: sandbox.id, config, sandboxConfig };
    const made = () => ports.runtime.runtime.createContainer(request);
    const { containerId } = await ports.turns.run(pod, made, signal);
    ports.events.record(pod, "Normal", "Created", "Container created", container.name);
    return containerId;
  } catch (thrown) {
    throw failed("CreateContainerError", thrown);
  }
}

async function configOf(
  context: StartContext,
  { container, attempt }: StartAction,
  { image, imageVolumes }: { image: ReadyImage; imageVolumes: ReadonlyMap<string, string> },
): Promise<Init<ContainerConfig>> {
  const { ports, pod, volumes, podIPs } = context;
  const { node, paths, objects, devices, sandboxNode, runtime } = ports;
  const namespace = namespaceOf(pod);
  // A pod whose containers ran goes on while the API server is away.
  const orLast = attempt > 0 || context.observed.containers.length > 0;
  const read = { orLast, since_ms: ports.clock.monotonic() };
  const env = await makeEnv(
    pod,
    container,
    {
      configMap: async (name) => (await objects.configMap(namespace, name, read))?.data,
      secret: async (name) => (await objects.secret(namespace, name, read))?.data,
      file: envFiles(volumes),
      services: async () => serviceEnv(await visibleServices(ports, pod)),
    },
    { podIPs, hostIPs: node.hostIPs, allocatable: node.allocatable() },
  );
  if (podIPs.length > 0) await writeHostsFile(ports, pod, podIPs);
  const terminationLog = await makeTerminationLog(ports, pod, container);
  const mounts = await containerMounts(pod, container, {
    volumes,
    imageVolumes,
    env,
    paths,
    runtime,
    hostsFile: podIPs.length > 0 ? hostsFile(paths, uidOf(pod)) : undefined,
    terminationLog,
  });
  const allocation = await devices.allocate(pod, container);
  return containerConfig(pod, container, {
    attempt,
    run: podRun(pod, context.observed).number,
    image,
    env,
    mounts,
    volumes,
    devices: allocation,
    terminationLog,
    seccomp: sandboxNode.seccomp,
    users: sandboxNode.users.of(pod),
    targetId: debugTarget(container, context.observed, context.sandbox.id),
    node,
  });
}

/** Returns the namespace's Services unless disabled, and always the API's own (as upstream). */
async function visibleServices({ objects }: Pick<StartPorts, "objects">, pod: Pod) {
  if (isStatic(pod)) return [];
  const links = pod.spec.enableServiceLinks ?? true;
  return (await objects.services()).filter(({ metadata }) => {
    const isApi = metadata.namespace === "default" && metadata.name === "kubernetes";
    return isApi || (links && metadata.namespace === namespaceOf(pod));
  });
}

async function makeTerminationLog(
  { paths }: Pick<StartPorts, "paths">,
  pod: Pod,
  container: Container,
): Promise<string> {
  const dir = containerDir(paths, uidOf(pod), container.name);
  await mkdir(dir, { recursive: true, mode: 0o750 });
  const file = join(dir, randomBytes(4).toString("hex"));
  await writeFile(file, "");
  using directory = Directory.open(dir);
  using made = directory.handle(basename(file));
  // Any user of the container may write the termination message.
  made.chmod(0o666);
  return file;
}

/**
 * Links the log as `<containerLogsDir>/<pod>_<namespace>_<container>-<id>.log` for log collectors;
 * by a relative path, which also leads there where a pod sees both folders as `/var/log`. A name
 * that no file can have is cut before its end, as upstream.
 */
async function linkLog(
  { ports, pod }: StartContext,
  { container, attempt }: StartAction,
  containerId: string,
): Promise<void> {
  const { containerLogsDir } = ports.paths;
  if (!containerLogsDir) return;
  const suffix = ".log";
  const full = `${nameOf(pod)}_${namespaceOf(pod)}_${container.name}-${containerId}`;
  const name = `${full.slice(0, FILE_NAME_MAX - suffix.length)}${suffix}`;
  const target = join(podLogDir(ports.paths, pod), containerLogPath(container.name, attempt));
  await mkdir(containerLogsDir, { recursive: true });
  const link = symlink(relative(containerLogsDir, target), join(containerLogsDir, name));
  await tolerate(link, errno("EEXIST"));
}

/** A failed postStart hook ends its container. */
async function postStart(
  { ports, pod, podIPs, signal }: StartContext,
  container: Container,
  containerId: string,
): Promise<void> {
  const handler = container.lifecycle?.postStart;
  if (!handler) return;
  const { runtime, clock, events } = ports;
  const podIP = podIPs[0] ?? "";
  try {
    const target = { container, containerId, podIP, runtime, clock, signal };
    await runHook(handler, POST_START_MS_MAX, target);
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    events.record(pod, "Warning", "FailedPostStartHook", "PostStartHook failed", container.name);
    const started = { id: containerId, name: container.name, state: "running" as const };
    const grace_s = pod.spec.terminationGracePeriodSeconds ?? 30;
    await stopContainer(ports, pod, started, "FailedPostStartHook", { grace_s, podIP, signal });
    throw new StartError("PostStartHookError", messageOf(thrown));
  }
}

/** Longest postStart hook: one that never ends would block the pod. */
const POST_START_MS_MAX = 600_000;
