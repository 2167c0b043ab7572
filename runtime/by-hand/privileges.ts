import { readFileSync } from "node:fs";
import { prctl, setCapabilities } from "@raft2kube/linux/process/process-calls.ts";
import { CAPABILITIES } from "../oci/capabilities.ts";
import type { OciProcess, OciSeccomp } from "../oci/spec.ts";
import { loadFilter } from "./seccomp.ts";

const PR_SET_KEEPCAPS = 8;
const PR_CAPBSET_DROP = 24;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_CAP_AMBIENT = 47;
const PR_CAP_AMBIENT_RAISE = 2;
const PR_CAP_AMBIENT_CLEAR_ALL = 4;

/** The capabilities as the kernel's bits. Throws for a name that it does not have. Pure. */
export function capabilityBits(names: readonly string[]): bigint {
  return names.reduce((bits, name) => bits | (1n << BigInt(numberOf(name))), 0n);
}

function numberOf(name: string): number {
  const number = CAPABILITIES.indexOf(name);
  if (number >= 0) return number;
  throw new RangeError(`there is no capability ${name}`);
}

/** The privileges of this process; read while procfs is the machine's. */
export interface OwnPrivileges {
  /** CapEff, as bits. */
  readonly capabilities: bigint;
  /** Whether groups are set: in a user namespace they may be fixed (user_namespaces(7)). */
  readonly setsGroups: boolean;
}

export function ownPrivileges(): OwnPrivileges {
  const status = readFileSync("/proc/self/status", "utf8");
  const capabilities = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  const setsGroups = readFileSync("/proc/self/setgroups", "utf8").trim() === "allow";
  return { capabilities, setsGroups };
}

/** The setpriv(1) of what `dropPrivileges` does, but for the filter. */
export function privilegesCommand({ user, capabilities, noNewPrivileges }: OciProcess): string[] {
  const list = (names: readonly string[]) =>
    ["-all", ...names.map((name) => name.toLowerCase().replace("cap_", "+"))].join(",");
  const groups =
    user.additionalGids.length > 0 ? `--groups=${user.additionalGids.join(",")}` : "--clear-groups";
  return [
    "setpriv",
    `--bounding-set=${list(capabilities.bounding)}`,
    groups,
    `--regid=${user.gid}`,
    `--reuid=${user.uid}`,
    `--inh-caps=${list(capabilities.inheritable)}`,
    ...(capabilities.ambient.length > 0 ? [`--ambient-caps=${list(capabilities.ambient)}`] : []),
    ...(noNewPrivileges ? ["--no-new-privs"] : []),
  ];
}

/**
 * Gives the calling thread a process's user, capabilities, no_new_privs and filter. The order
 * matters: the bounding set needs CAP_SETPCAP, the groups CAP_SETGID, and the user comes last of
 * the ids; a filter without no_new_privs needs CAP_SYS_ADMIN, so that it comes before the
 * capabilities are dropped, and with no_new_privs it comes at the very end. `own` has the
 * capabilities of this process: the bounding set loses only those of them that are not asked for.
 * Without `setsGroups` the groups are set only if there are any, so that the kernel refuses them.
 */
export function dropPrivileges(
  { user, capabilities, noNewPrivileges }: OciProcess,
  seccomp: OciSeccomp | undefined,
  { capabilities: own, setsGroups }: OwnPrivileges,
): void {
  // lab:01 begin drop-privileges
  const { bounding, permitted, effective, inheritable, ambient } = capabilities;
  for (const name of CAPABILITIES) {
    const has = (own >> BigInt(numberOf(name))) & 1n;
    if (has && !bounding.includes(name)) prctl(PR_CAPBSET_DROP, numberOf(name));
  }
  if (setsGroups || user.additionalGids.length > 0) process.setgroups!([...user.additionalGids]);
  process.setgid!(user.gid);
  prctl(PR_SET_KEEPCAPS, 1);
  process.setuid!(user.uid);
  if (!noNewPrivileges) {
    setCapabilities({ effective: own, permitted: own, inheritable: 0n });
    if (seccomp) loadFilter(seccomp);
  }
  setCapabilities({
    effective: capabilityBits(effective),
    permitted: capabilityBits(permitted),
    inheritable: capabilityBits(inheritable),
  });
  prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL);
  for (const name of ambient) prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, numberOf(name));
  if (noNewPrivileges) {
    prctl(PR_SET_NO_NEW_PRIVS, 1);
    if (seccomp) loadFilter(seccomp);
  }
  // lab:01 end
}
