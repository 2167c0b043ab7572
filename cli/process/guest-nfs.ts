import { quoted } from "../guest/init.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { nodeRange } from "../spec/nodes.ts";
import { logsCommand } from "../spec/processes.ts";
import type { Announcement } from "../supervisor/supervise.ts";

/** The kernel's server; the modules that it needs come with it. */
export const NFS_MODULES: readonly string[] = ["nfsd"];

const EXPORTED = "/srv/nfs";
/** Threads of the server: each serves one request. */
const THREADS = 4;
const STATE_MIB = 8;
/**
 * A client that is silent for so long loses its locks when another asks for them, as a pod that
 * left a lost node does. The kernel's default is 90.
 */
const LEASE_S = 15;

/**
 * The shell lines that start a guest's NFS server, of version 4 alone: its second disk is the root
 * of what it exports, to the host and the nodes. A server that does not start ends the guest, which
 * says so at `reports`.
 */
export function nfsServer(config: ClusterConfig, reports: string): string[] {
  const options = "rw,no_root_squash,no_subtree_check,fsid=0";
  const lines = [
    `mkdir -p ${EXPORTED}`,
    `mount -t ext4 -o noatime,nosuid,nodev /dev/ubdb ${EXPORTED}`,
    `mount -t tmpfs -o size=${STATE_MIB}m tmpfs /var/lib/nfs`,
    "mkdir -p /var/lib/nfs/v4recovery",
    "touch /var/lib/nfs/etab /var/lib/nfs/rmtab",
    "mount -t nfsd nfsd /proc/fs/nfsd",
    `echo ${LEASE_S} > /proc/fs/nfsd/nfsv4leasetime`,
    `exportfs -o ${options} ${nodeRange(config)}:${EXPORTED}`,
    "rpc.mountd --no-nfs-version 3",
    `rpc.nfsd --no-nfs-version 3 ${THREADS}`,
    // Nothing recorded its clients, so that none could reclaim a lock within the grace period.
    "echo Y > /proc/fs/nfsd/v4_end_grace",
  ];
  const logs = logsCommand(config.name, "node", config.nodeName);
  const failed: Announcement = {
    state: "failed",
    message: "the guest's NFS server did not start; its messages are in the node's log",
    remedy: `apt-get install nfs-kernel-server; ${logs}`,
  };
  return [
    `if ! sh -ec ${quoted(lines.join("\n"))}; then`,
    `  echo ${quoted(JSON.stringify(failed))} > ${reports}`,
    "  /bin/busybox poweroff -f",
    "fi",
  ];
}
