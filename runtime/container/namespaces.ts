import path from "node:path";
import { type ContainerConfig, NamespaceMode } from "@raft2kube/proto/gen/cri.ts";
import { RuntimeError } from "../errors.ts";
import { sandboxIds } from "../oci/pod-ids.ts";
import type { OciNamespace } from "../oci/spec.ts";
import type { Base, Machine, Records } from "../ports.ts";
import { pinnedNamespace, pinOf } from "../sandbox/pinned-namespaces.ts";
import type { SandboxRecord } from "../sandbox/record.ts";

/**
 * The pid namespace of another container, which a debug container shares (CRI mode TARGET). It is
 * pinned in the debug container's folder.
 */
function targetNamespace(
  runtime: Base & Records,
  { id, sandbox }: { id: string; sandbox: SandboxRecord },
  targetId: string,
): OciNamespace {
  const target = runtime.containers.get(targetId);
  if (target.sandboxId !== sandbox.id) {
    throw new RuntimeError("invalid-argument", `container ${targetId} is in another pod`);
  }
  if (target.phase.state !== "running") {
    throw new RuntimeError("failed-precondition", `container ${targetId} is not running`);
  }
  const pinned = path.join(runtime.paths.container(id).volumes, "target-pid");
  pinOf(target.phase.process, "pid", pinned);
  return { type: "pid", path: pinned };
}

/**
 * Throws failed-precondition for the host's pid namespace without cgroups: a container's remaining
 * processes are found by its pid namespace or its cgroup.
 */
export function refuseHostPid(runtime: Machine): void {
  if (runtime.cgroups.version !== "none") return;
  const message = "hostPID needs cgroups: without, what a container leaves running is not found";
  throw new RuntimeError("failed-precondition", message, { remedy: "start the cluster as root" });
}

/**
 * Returns a container's namespaces: network, ipc and uts are the sandbox's, as they are pinned; pid
 * is its own unless the pod shares one; those of the host are left out.
 */
export function containerNamespaces(
  runtime: Base & Records & Machine,
  { id, sandbox, config }: { id: string; sandbox: SandboxRecord; config: ContainerConfig },
): OciNamespace[] {
  const pinned = runtime.paths.sandbox(sandbox.id);
  const options = config.linux?.securityContext?.namespaceOptions;
  const namespaces: OciNamespace[] = [
    { type: "mount" },
    { type: "uts", path: pinnedNamespace(pinned, "uts") },
  ];
  if (sandboxIds(sandbox.config) !== undefined) {
    namespaces.push({ type: "user", path: pinnedNamespace(pinned, "user") });
  }
  // On v1 the view of the cgroup mounts is already the container's own.
  if (runtime.cgroups.version === 2) namespaces.push({ type: "cgroup" });
  if (sandbox.netns !== undefined) namespaces.push({ type: "network", path: sandbox.netns });
  if (options?.ipc !== NamespaceMode.NODE) {
    namespaces.push({ type: "ipc", path: pinnedNamespace(pinned, "ipc") });
  }
  switch (options?.pid ?? NamespaceMode.POD) {
    case NamespaceMode.POD:
      namespaces.push({ type: "pid", path: pinnedNamespace(pinned, "pid") });
      break;
    case NamespaceMode.CONTAINER:
      namespaces.push({ type: "pid" });
      break;
    case NamespaceMode.TARGET:
      namespaces.push(targetNamespace(runtime, { id, sandbox }, options?.targetId ?? ""));
      break;
    case NamespaceMode.NODE:
      refuseHostPid(runtime);
      break;
    default:
      throw new RuntimeError("invalid-argument", `pid namespace mode ${options?.pid}`);
  }
  return namespaces;
}
