import { RuntimeError } from "../errors.ts";

const NAME = /^[a-z0-9_-]+(?:[./][a-z0-9_-]+)+$/i;
const IPC = /^(?:kernel\.(?:shm|msg|sem)|fs\.mqueue\.)/;

/**
 * Sysctls of a sandbox, each of which must belong to a namespace that the pod has of its own: one
 * that reaches the host is refused here even if the caller allowed it (CVE-2022-0811 was a way
 * around).
 */
export function sysctlsFor(
  wanted: Record<string, string>,
  own: { network: boolean; ipc: boolean; mapsAllGroups?: boolean },
): Record<string, string> {
  const refuse = (name: string, why: string) =>
    new RuntimeError("invalid-argument", `sysctl ${JSON.stringify(name)} ${why}`);
  const sysctls: Record<string, string> = {};
  for (const [given, value] of Object.entries(wanted)) {
    if (!NAME.test(given)) throw refuse(given, "is malformed");
    const name = given.replaceAll("/", ".");
    if (name.startsWith("net.")) {
      if (!own.network) throw refuse(given, "is not allowed with the host's network");
    } else if (IPC.test(name)) {
      if (!own.ipc) throw refuse(given, "is not allowed with the host's ipc");
    } else {
      throw refuse(given, "does not belong to a namespace of the pod");
    }
    if (/[\n\0]/.test(value)) throw refuse(given, "has a value of several lines");
    sysctls[name] = value;
  }
  // The pod has a network namespace of its own: its processes may bind any port in it.
  if (own.network) sysctls["net.ipv4.ip_unprivileged_port_start"] ??= "0";
  // So may they ping, without CAP_NET_RAW; the range is of groups that are mapped.
  if (own.network && own.mapsAllGroups) sysctls["net.ipv4.ping_group_range"] ??= "0 2147483647";
  return sysctls;
}
