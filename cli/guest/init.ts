import { MODULES_DIR } from "./kernel.ts";

export interface GuestInit {
  readonly hostname: string;
  /** Folders of the host to see in the guest although it covers what is above them. */
  readonly folders: readonly string[];
  /** Kernel modules by name; those that the kernel asks for come by themselves. */
  readonly modules: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Shell lines that run when all is mounted. The guest ends with them. */
  readonly script: string;
}

/** A variable that all processes of a guest have. */
export const IN_GUEST = "R2K_IN_GUEST";

const BUSYBOX = "/bin/busybox";
const COVERED = ["/run", "/tmp"];

/** Quotes a word for the shell. */
export const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

/**
 * The first program of a guest. Its root is this machine's, read-only, with memory over it for what
 * is written; /run and /tmp are its own. It has cgroup v2 with all controllers, as systemd mounts
 * it, and its kernel loads modules when it needs them.
 */
export function initText({ hostname, folders, modules, env, script }: GuestInit): string {
  const variables = Object.entries({ ...env, [IN_GUEST]: "1" });
  const exports = variables.map(([name, value]) => `export ${name}=${quoted(value)}`);
  return [
    "#!/bin/sh",
    "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ...exports,
    "{",
    "mount -t proc proc /proc",
    ...writableRoot(),
    "mount -t proc proc /proc",
    "mount -t sysfs sysfs /sys",
    ...COVERED.map((dir) => `mount -t tmpfs -o mode=1777 tmpfs ${dir}`),
    "mount -t devtmpfs dev /dev || true", // some kernels mount it
    "mkdir -p /dev/pts /dev/shm",
    "mount -t devpts devpts /dev/pts",
    "mount -t tmpfs tmpfs /dev/shm",
    "mount -t cgroup2 -o nsdelegate,memory_recursiveprot cgroup2 /sys/fs/cgroup",
    ...folders
      .filter(isCovered)
      .map(quoted)
      .map((dir) => `mkdir -p ${dir} && mount -t hostfs -o ro,${dir} hostfs ${dir}`),
    "mkdir -p /lib/modules",
    `ln -s ${MODULES_DIR}/* /lib/modules/`,
    `ln -sf ${BUSYBOX} /sbin/modprobe`,
    ...modules.map((name) => `${BUSYBOX} modprobe ${name}`),
    `hostname ${quoted(hostname)}`,
    "ip link set lo up",
    "} 2>&1",
    script,
    // The applet by its path: a standalone busybox would look for itself in /proc/self/exe.
    `${BUSYBOX} poweroff -f`,
    "",
  ].join("\n");
}

/** Lays memory over the root and makes that the root. Below /mnt, since the root is read-only. */
function writableRoot(): string[] {
  const overlay = `${MODULES_DIR}/$(uname -r)/kernel/fs/overlayfs/overlay.ko`;
  return [
    "mount -t tmpfs tmpfs /mnt",
    "mkdir /mnt/upper /mnt/work /mnt/root",
    `${BUSYBOX} insmod ${overlay}`,
    "mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root",
    "cd /mnt/root",
    "pivot_root . mnt",
    "cd /",
    "umount -l /mnt",
  ];
}

const isCovered = (path: string) => COVERED.some((dir) => path.startsWith(`${dir}/`));
