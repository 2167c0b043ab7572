import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { AdmissionError } from "../pods/reason-error.ts";

/** Namespaced sysctls that affect only the pod that sets them (upstream's safe set). */
const SAFE_SYSCTLS = new Set([
  "kernel.shm_rmid_forced",
  "net.ipv4.ip_local_port_range",
  "net.ipv4.tcp_syncookies",
  "net.ipv4.ping_group_range",
  "net.ipv4.ip_unprivileged_port_start",
  "net.ipv4.ip_local_reserved_ports",
  "net.ipv4.tcp_keepalive_time",
  "net.ipv4.tcp_fin_timeout",
  "net.ipv4.tcp_keepalive_intvl",
  "net.ipv4.tcp_keepalive_probes",
  "net.ipv4.tcp_rmem",
  "net.ipv4.tcp_wmem",
]);

/**
 * Throws AdmissionError for a sysctl that is not safe, or that is set in the node's own namespace.
 */
export function checkSysctls(pod: Pod): void {
  for (const { name } of pod.spec.securityContext?.sysctls ?? []) {
    const plain = name.replaceAll("/", ".");
    const ofNode =
      (pod.spec.hostNetwork && plain.startsWith("net.")) ||
      (pod.spec.hostIPC && plain.startsWith("kernel.shm"));
    if (SAFE_SYSCTLS.has(plain) && !ofNode) continue;
    throw new AdmissionError("SysctlForbidden", `forbidden sysctl: "${name}" not allowlisted`);
  }
}
