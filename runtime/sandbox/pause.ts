import { mkdir, writeFile } from "node:fs/promises";
import { createNamespaces, deleteNetns } from "@raft2kube/linux/namespace/netns.ts";
import {
  inUserNamespace,
  isMapped,
  type MappedIds,
  readMappedIds,
} from "@raft2kube/linux/namespace/user-namespace.ts";
import { MASKED_PATHS, READONLY_PATHS } from "@raft2kube/linux/proc/confined-paths.ts";
import { writeSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { setHostname } from "@raft2kube/linux/process/process-calls.ts";
import { limitDevices } from "../by-hand/cgroup.ts";
import { RuntimeError } from "../errors.ts";
import { NO_DEVICES } from "../oci/devices.ts";
import { containerIds, idMappings, rootPath, sandboxIds } from "../oci/pod-ids.ts";
import { cgroupOf, clampOomScore } from "../oci/resources.ts";
import { seccompFor } from "../oci/seccomp.ts";
import type { OciNamespace, OciSpec, OciUser } from "../oci/spec.ts";
import { sysctlsFor } from "../oci/sysctls.ts";
import type { SandboxPaths } from "../paths.ts";
import type { Base, Machine, Programs } from "../ports.ts";
import { identify, type ProcessIdentity } from "../process-identity.ts";
import { hostnameOf, usesHost } from "./files.ts";
import { pinNamespaces, pinnedNamespace } from "./pinned-namespaces.ts";
import type { SandboxRecord } from "./record.ts";

/** Kubernetes' adjustment for pause processes: the last to be killed, after the kubelet. */
const PAUSE_OOM_SCORE = -998;
/** The least weight there is: it sleeps. */
const PAUSE_CPU_SHARES = 2;
/** An id that no other process has; in a user namespace that does not map it, root's. */
const PAUSE_ID = 65_535;
const PAUSE = "/pause";
function namespacesOf(record: SandboxRecord): OciNamespace[] {
  const { config } = record;
  return [
    { type: "mount" },
    { type: "uts" },
    ...(usesHost(config, "pid") ? [] : [{ type: "pid" } as const]),
    ...(usesHost(config, "ipc") ? [] : [{ type: "ipc" } as const]),
    ...(record.netns === undefined ? [] : [networkNamespace(record, record.netns)]),
    ...(sandboxIds(config) === undefined ? [] : [{ type: "user" } as const]),
  ];
}

/** A pod with a user namespace has its network namespace made with it, so that it owns it. */
function networkNamespace({ config }: SandboxRecord, path: string): OciNamespace {
  return { type: "network", ...(sandboxIds(config) === undefined && { path }) };
}

function pauseUser({ users, groups }: MappedIds): OciUser {
  const id = isMapped(users, PAUSE_ID) && isMapped(groups, PAUSE_ID) ? PAUSE_ID : 0;
  return { uid: id, gid: id, additionalGids: [] };
}

function sysctlsOf({ config, netns }: SandboxRecord): Record<string, string> {
  return sysctlsFor(config.linux?.sysctls ?? {}, {
    network: netns !== undefined,
    ipc: !usesHost(config, "ipc"),
    mapsAllGroups: sandboxIds(config) === undefined && !inUserNamespace(readMappedIds()),
  });
}

/** Makes the namespaces of a sandbox without a first process, and pins them. */
export function makeNamespaces(paths: SandboxPaths, record: SandboxRecord): void {
  const { config, netns } = record;
  const pins = {
    uts: pinnedNamespace(paths, "uts"),
    ...(!usesHost(config, "ipc") && { ipc: pinnedNamespace(paths, "ipc") }),
    ...(netns !== undefined && { net: netns }),
  };
  const hostname = hostnameOf(config);
  // Files of those that ended with the machine, or with an earlier start.
  for (const file of Object.values(pins)) deleteNetns(file);
  createNamespaces(pins, () => {
    if (hostname) setHostname(hostname);
    for (const [name, value] of Object.entries(sysctlsOf(record))) writeSysctl(name, value);
  });
}

/** The bundle of a sandbox's first process: it holds the namespaces, reaps, and sleeps. */
export function pauseSpec(runtime: Base & Machine & Programs, record: SandboxRecord): OciSpec {
  const { config } = record;
  const hostname = hostnameOf(config);
  const { privileged = false, seccomp } = config.linux?.securityContext ?? {};
  // A container that runs as the same user may trace it, and would leave its own filter that way.
  const filter = seccompFor(seccomp, { privileged, capabilities: [] });
  const ids = sandboxIds(config);
  const none = { bounding: [], effective: [], permitted: [], inheritable: [], ambient: [] };
  return {
    ociVersion: "1.0.2",
    process: {
      terminal: false,
      user: pauseUser(containerIds(runtime, ids)),
      args: [PAUSE, "-P"],
      env: [],
      cwd: "/",
      capabilities: none,
      noNewPrivileges: true,
      oomScoreAdj: clampOomScore(PAUSE_OOM_SCORE, runtime.ownCapabilities),
    },
    root: { path: rootPath(runtime.paths.sandbox(record.id).rootfs, ids), readonly: true },
    ...(hostname && { hostname }),
    mounts: [
      {
        destination: "/proc",
        type: "proc",
        source: "proc",
        options: ["nosuid", "noexec", "nodev"],
      },
      // OCI runtimes put the default devices into every container.
      { destination: "/dev", type: "tmpfs", source: "tmpfs", options: ["nosuid", "size=64k"] },
      {
        destination: PAUSE,
        type: "bind",
        source: runtime.pausePath,
        options: ["rbind", "rprivate", "ro"],
      },
    ],
    linux: {
      namespaces: namespacesOf(record),
      ...idMappings(ids),
      ...cgroupOf(runtime, record.cgroup, {
        devices: [...NO_DEVICES],
        cpu: { shares: PAUSE_CPU_SHARES },
      }),
      sysctl: sysctlsOf(record),
      ...(filter && { seccomp: filter }),
      maskedPaths: MASKED_PATHS,
      readonlyPaths: READONLY_PATHS,
    },
  };
}

/** Starts the sandbox's first process, and pins its namespaces. */
export async function startPause(
  runtime: Base & Machine & Programs,
  record: SandboxRecord,
): Promise<ProcessIdentity> {
  const paths = runtime.paths.sandbox(record.id);
  for (const name of ["proc", "dev"]) await mkdir(`${paths.rootfs}/${name}`, { recursive: true });
  await writeFile(`${paths.rootfs}${PAUSE}`, "", { mode: 0o755 });
  await writeFile(paths.config, JSON.stringify(pauseSpec(runtime, record)), { mode: 0o600 });
  const oci = runtime.oci.ofSandbox(record.runtimeHandler);
  const pid = await oci.runDetached(record.id, paths.run, paths.pidFile);
  const pause = identify(pid);
  if (!pause) {
    const message = `the pause process of sandbox ${record.id} ended at once`;
    throw new RuntimeError("internal", message);
  }
  pinNamespaces(paths, pause);
  // Again, for crun allows every container some of its own choice. No container runs yet.
  if (runtime.cgroups.version !== "none") limitDevices(record.cgroup, NO_DEVICES);
  return pause;
}
