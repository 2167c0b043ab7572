import { constants } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { Runtime } from "../cri/runtime.ts";
import type { PodEventSink } from "../pods/pod-event-sink.ts";
import { uidOf } from "../pods/pod-identity.ts";
import type { PodObjects } from "../pods/pod-objects.ts";
import { hostsFile, type PodPaths, podDir, podLogDir } from "../pods/pod-paths.ts";
import { podNames } from "../sandbox/hostname.ts";
import { hostsText } from "../sandbox/hosts-file.ts";
import { type SandboxNode, sandboxConfig } from "../sandbox/sandbox-config.ts";
import { hasOwnUsers, type UserRanges } from "../sandbox/user-ranges.ts";
import type { PodTurns } from "./pod-turns.ts";

export interface SandboxPorts {
  readonly runtime: Runtime;
  readonly turns: Pick<PodTurns, "run">;
  readonly events: PodEventSink;
  readonly objects: Pick<PodObjects, "runtimeHandler">;
  readonly sandboxNode: SandboxNode;
  readonly users: Pick<UserRanges, "allocate">;
  readonly paths: PodPaths;
}

/** The pod's sandbox could not be made; reported as FailedCreatePodSandBox. */
export class SandboxError extends Error {
  override readonly name = "SandboxError";
}

/**
 * Runs the pod's sandbox: its namespaces and addresses. Throws SandboxError, or any error when the
 * signal is aborted.
 */
export async function startSandbox(
  ports: SandboxPorts,
  pod: Pod,
  attempt: number,
  signal: AbortSignal,
): Promise<void> {
  const { runtime, events, sandboxNode, paths } = ports;
  try {
    await mkdir(podLogDir(paths, pod), { recursive: true });
    const runtimeHandler = await handlerOf(ports, pod);
    if (hasOwnUsers(pod)) await requireUserNamespaces(runtime, runtimeHandler);
    await ports.users.allocate(pod);
    const config = sandboxConfig(pod, attempt, sandboxNode);
    const run = () => runtime.runtime.runPodSandbox({ config, runtimeHandler });
    await ports.turns.run(pod, run, signal);
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    const message = `Failed to create pod sandbox: ${messageOf(thrown)}`;
    events.record(pod, "Warning", "FailedCreatePodSandBox", message);
    throw new SandboxError(message);
  }
}

/**
 * Throws SandboxError for a runtime that does not know user namespaces: it would ignore that one is
 * asked for, and the pod's root would be the node's.
 */
async function requireUserNamespaces({ runtime }: Runtime, handler: string): Promise<void> {
  const { runtimeHandlers } = await runtime.status({});
  const found = runtimeHandlers.find(({ name }) => name === handler);
  if (found?.features?.userNamespaces) return;
  throw new SandboxError(
    "hostUsers: false asks for a user namespace, which this node's container runtime does not " +
      "support; set hostUsers: true in the pod",
  );
}

/**
 * Returns the handler of the pod's RuntimeClass; the runtime refuses a handler that it does not
 * have.
 */
async function handlerOf({ objects }: SandboxPorts, pod: Pod): Promise<string> {
  const name = pod.spec.runtimeClassName;
  if (!name) return "";
  const handler = await objects.runtimeHandler(name);
  if (handler === undefined) throw new SandboxError(`RuntimeClass "${name}" not found`);
  return handler;
}

/** Makes the pod's directories, before its volumes are set up. */
export async function makePodDirs({ paths }: Pick<SandboxPorts, "paths">, pod: Pod): Promise<void> {
  await mkdir(podDir(paths, uidOf(pod)), { recursive: true, mode: 0o750 });
  await mkdir(podLogDir(paths, pod), { recursive: true });
}

const { O_WRONLY, O_CREAT, O_TRUNC, O_NONBLOCK } = constants;
/** Flags that replace a file, and do not wait for a container's lease on it (F_SETLEASE). */
const REPLACED = O_WRONLY | O_CREAT | O_TRUNC | O_NONBLOCK;

/**
 * Writes the pod's /etc/hosts; containers have it bind-mounted, and keep what they write there
 * until the next of them is started. It is not read: they may have made it large.
 */
export async function writeHostsFile(
  {
    paths,
    sandboxNode,
  }: { readonly paths: PodPaths; readonly sandboxNode: Pick<SandboxNode, "clusterDns"> },
  pod: Pod,
  podIPs: string[],
): Promise<void> {
  const nodeHosts = pod.spec.hostNetwork ? await readFile("/etc/hosts", "utf8") : "";
  const names = podNames(pod, sandboxNode.clusterDns.domain);
  const text = hostsText(pod, podIPs, names, nodeHosts);
  // Written in place: after a rename, running containers would still have the old file.
  await writeFile(hostsFile(paths, uidOf(pod)), text, { mode: 0o644, flag: REPLACED });
}
