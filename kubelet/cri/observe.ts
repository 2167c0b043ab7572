import {
  ContainerState,
  type ContainerStatus,
  type LinuxContainerUser,
  NamespaceMode,
  PodSandboxState,
  type PodSandboxStatus,
} from "@raft2kube/proto/gen/cri.ts";
import { tolerate } from "@raft2kube/std/errors.ts";
import { GROUPS_SHOWN_MAX, STATUSES_AT_ONCE_MAX } from "../limits.ts";
import { POD_UID_LABEL } from "../pods/pod-labels.ts";
import type { ObservedContainer, ObservedPod, ObservedSandbox } from "./observed.ts";
import { isGone, type Runtime } from "./runtime.ts";

/** Annotation that holds the hash of the spec a container was made from. */
export const HASH_ANNOTATION = "io.kubernetes.container.hash";
export const CONTAINER_NAME_LABEL = "io.kubernetes.container.name";

const NANOSECONDS_PER_MS = 1_000_000n;

/** Reads the sandboxes and containers of one pod from the runtime. */
export async function observePod(
  runtime: Runtime,
  pod: { uid: string; name: string; namespace: string },
): Promise<ObservedPod> {
  const [sandboxes, containers] = await Promise.all([
    observeSandboxes(runtime, pod.uid),
    observeContainers(runtime, pod.uid),
  ]);
  return { ...pod, sandboxes, containers };
}

/** Reads the sandboxes of one pod, newest first. */
export async function observeSandboxes(
  { runtime }: Runtime,
  podUid: string,
): Promise<ObservedSandbox[]> {
  const { items } = await runtime.listPodSandbox({ filter: { labelSelector: labelsOf(podUid) } });
  const statuses = await fewAtOnce(items, ({ id }) => sandboxStatus(runtime, id));
  return statuses.flatMap((status) => (status ? [observedSandbox(status)] : [])).sort(newestFirst);
}

/** Reads the containers of one pod, or those of one name, newest first. */
export async function observeContainers(
  { runtime }: Runtime,
  podUid: string,
  name?: string,
): Promise<ObservedContainer[]> {
  const labelSelector = labelsOf(podUid, name);
  const { containers } = await runtime.listContainers({ filter: { labelSelector } });
  const sandboxOf = new Map(containers.map(({ id, podSandboxId }) => [id, podSandboxId]));
  const statuses = await fewAtOnce(containers, ({ id }) => statusOf(runtime, id));
  return statuses
    .flatMap((status) => (status ? [observedContainer(status)] : []))
    .map((one) => ({ ...one, sandboxId: sandboxOf.get(one.id) ?? "" }))
    .sort(newestFirst);
}

/**
 * Compares sandboxes of a pod, or containers of a name: attempts count up, whereas the clock may
 * have been set back since the earlier one was created.
 */
const newestFirst = (a: Attempt, b: Attempt): number =>
  b.attempt - a.attempt || b.createdAt_ms - a.createdAt_ms;

type Attempt = Pick<ObservedSandbox, "attempt" | "createdAt_ms">;

/** Reads one container; undefined when the runtime does not have it. */
export async function observeContainer(
  { runtime }: Runtime,
  id: string,
): Promise<ObservedContainer | undefined> {
  const status = await statusOf(runtime, id);
  return status && observedContainer(status);
}

function labelsOf(podUid: string, name?: string): Record<string, string> {
  return { [POD_UID_LABEL]: podUid, ...(name !== undefined && { [CONTAINER_NAME_LABEL]: name }) };
}

/** Asks for each item, a few at a time: the runtime's channel is that of all pods. */
async function fewAtOnce<T, R>(items: readonly T[], ask: (item: T) => Promise<R>): Promise<R[]> {
  const answers: R[] = [];
  for (let at = 0; at < items.length; at += STATUSES_AT_ONCE_MAX) {
    const few = items.slice(at, at + STATUSES_AT_ONCE_MAX);
    answers.push(...(await Promise.all(few.map(ask))));
  }
  return answers;
}

async function sandboxStatus(runtime: Runtime["runtime"], podSandboxId: string) {
  // It may be removed between the list and this call.
  return (await tolerate(runtime.podSandboxStatus({ podSandboxId }), isGone))?.status;
}

async function statusOf(runtime: Runtime["runtime"], containerId: string) {
  return (await tolerate(runtime.containerStatus({ containerId }), isGone))?.status;
}

function observedSandbox(status: PodSandboxStatus): ObservedSandbox {
  const { network, linux } = status;
  const ips = network?.ip ? [network.ip, ...network.additionalIps.map(({ ip }) => ip)] : [];
  return {
    id: status.id,
    attempt: status.metadata?.attempt ?? 0,
    ready: status.state === PodSandboxState.SANDBOX_READY,
    hostNetwork: linux?.namespaces?.options?.network === NamespaceMode.NODE,
    ips,
    createdAt_ms: milliseconds(status.createdAt),
  };
}

/** Converts CRI's status of a container. `sandboxId` is empty: the status does not have it. */
export const observedContainer = (status: ContainerStatus): ObservedContainer => ({
  id: status.id,
  name: status.metadata?.name ?? status.labels[CONTAINER_NAME_LABEL] ?? "",
  sandboxId: "",
  attempt: status.metadata?.attempt ?? 0,
  state: STATES[status.state] ?? "unknown",
  createdAt_ms: milliseconds(status.createdAt),
  startedAt_ms: milliseconds(status.startedAt),
  finishedAt_ms: milliseconds(status.finishedAt),
  exitCode: status.exitCode,
  reason: status.reason,
  message: status.message,
  image: status.image?.userSpecifiedImage || status.image?.image || "",
  imageRef: status.imageRef,
  hash: status.annotations[HASH_ANNOTATION] ?? "",
  logPath: status.logPath,
  annotations: status.annotations,
  ...(status.resources?.linux ? { limits: status.resources.linux } : {}),
  ...(status.user?.linux ? { user: { linux: linuxUser(status.user.linux) } } : {}),
  recursiveReadOnly: status.mounts
    .filter((mount) => mount.recursiveReadOnly)
    .map(({ containerPath }) => containerPath),
});

/** The API has no empty list. */
function linuxUser({ uid, gid, supplementalGroups: all }: LinuxContainerUser) {
  const supplementalGroups = all.slice(0, GROUPS_SHOWN_MAX);
  return { uid, gid, ...(all.length > 0 && { supplementalGroups }) };
}

const STATES: Record<number, ObservedContainer["state"]> = {
  [ContainerState.CONTAINER_CREATED]: "created",
  [ContainerState.CONTAINER_RUNNING]: "running",
  [ContainerState.CONTAINER_EXITED]: "exited",
};

const milliseconds = (time_ns: bigint): number => Number(time_ns / NANOSECONDS_PER_MS);
