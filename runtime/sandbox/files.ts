import { mkdir, readFile, writeFile } from "node:fs/promises";
import { hostname as hostName } from "node:os";
import { MountFlag, mount, unmount, unmountAside } from "@raft2kube/linux/mount/mount.ts";
import { type DNSConfig, NamespaceMode, type PodSandboxConfig } from "@raft2kube/proto/gen/cri.ts";
import { RuntimeError } from "../errors.ts";
import type { SandboxPaths } from "../paths.ts";
import { unpinNamespaces } from "./pinned-namespaces.ts";

/** The size of a pod's shared memory by default (Kubernetes'). */
const SHM_OPTIONS = "mode=1777,size=65536k";
/** Containers may write to these files, but not fill the node's disk with them. */
const FILES_OPTIONS = "mode=0711,size=1024k,nr_inodes=16";
const MOUNT_FLAGS = MountFlag.nosuid | MountFlag.nodev | MountFlag.noexec;

/** resolv.conf(5) of a pod. Without DNS settings it is the host's. */
export function resolvConfText(dns: DNSConfig | undefined, hosts: string): string {
  const { servers = [], searches = [], options = [] } = dns ?? {};
  if (servers.length + searches.length + options.length === 0) return hosts;
  for (const setting of [...servers, ...searches, ...options]) {
    if (/[\s\0]/.test(setting)) {
      throw new RuntimeError("invalid-argument", `DNS setting ${JSON.stringify(setting)}`);
    }
  }
  const lines = [
    ...(searches.length > 0 ? [`search ${searches.join(" ")}`] : []),
    ...servers.map((server) => `nameserver ${server}`),
    ...(options.length > 0 ? [`options ${options.join(" ")}`] : []),
  ];
  return `${lines.join("\n")}\n`;
}

/** The name a pod has for itself; on the host's network it is the host's unless given. */
export function hostnameOf(config: PodSandboxConfig): string {
  if (config.hostname !== "") return config.hostname;
  return usesHost(config, "network") ? hostName() : "";
}

/** Whether a pod uses the host's own namespace of a kind. */
export function usesHost(config: PodSandboxConfig, kind: "network" | "pid" | "ipc"): boolean {
  const mode = config.linux?.securityContext?.namespaceOptions?.[kind];
  return mode === NamespaceMode.NODE;
}

/**
 * Writes the files of all containers of the sandbox: resolv.conf, hostname and hosts, and mounts
 * /dev/shm. The kernel limits the size of both mounts. Kubelets mount their own hosts file over
 * this one.
 */
export async function makeSandboxFiles(paths: SandboxPaths, config: PodSandboxConfig) {
  const hostname = hostnameOf(config);
  const resolvConf = resolvConfText(config.dnsConfig, await readFile("/etc/resolv.conf", "utf8"));
  await mkdir(paths.files, { recursive: true, mode: 0o711 });
  mountMemory(paths.files, FILES_OPTIONS);
  await writeFile(paths.resolvConf, resolvConf, { mode: 0o644 });
  await writeFile(paths.hostname, `${hostname}\n`, { mode: 0o644 });
  const hosts = `127.0.0.1\tlocalhost\n::1\tlocalhost\n${hostname && `127.0.1.1\t${hostname}\n`}`;
  await writeFile(paths.hosts, hosts, { mode: 0o644 });
  if (usesHost(config, "ipc")) return;
  await mkdir(paths.shm, { recursive: true });
  mountMemory(paths.shm, SHM_OPTIONS);
}

function mountMemory(target: string, data: string): void {
  mount({ source: "shm", target, type: "tmpfs", flags: MOUNT_FLAGS, data });
}

/** Undoes the mounts of `makeSandboxFiles`, and `pinNamespaces`; again is no error. */
export async function unmountSandboxFiles(paths: SandboxPaths, owner?: string): Promise<void> {
  const gone = unmountAside(paths.shm, { detach: true, owner });
  unmount(paths.files, { detach: true });
  unpinNamespaces(paths);
  await gone;
}
