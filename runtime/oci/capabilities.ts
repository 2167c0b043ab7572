import { readFileSync } from "node:fs";
import type { Capability } from "@raft2kube/proto/gen/cri.ts";
import { RuntimeError } from "../errors.ts";
import type { OciCapabilities } from "./spec.ts";

/** Capabilities in the kernel's numbering (include/uapi/linux/capability.h). */
export const CAPABILITIES = (
  "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP " +
  "LINUX_IMMUTABLE NET_BIND_SERVICE NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER " +
  "SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN SYS_BOOT SYS_NICE " +
  "SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP " +
  "MAC_OVERRIDE MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF " +
  "CHECKPOINT_RESTORE"
)
  .split(" ")
  .map((name) => `CAP_${name}`);

/** Default capabilities of a container: the common set of other CRI runtimes. */
const DEFAULTS = (
  "CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP " +
  "NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE"
)
  .split(" ")
  .map((name) => `CAP_${name}`);

/** The capabilities that this process can grant: those that it has itself. */
export function ownCapabilities(status = readFileSync("/proc/self/status", "utf8")): Set<string> {
  const bits = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  return new Set(CAPABILITIES.filter((_, index) => (bits >> BigInt(index)) & 1n));
}

/** CRI has names with or without `CAP_`; `ALL` stands for every one. */
function expand(names: string[]): string[] {
  return names.flatMap((given) => {
    const name = given.toUpperCase();
    if (name === "ALL") return CAPABILITIES;
    const full = name.startsWith("CAP_") ? name : `CAP_${name}`;
    if (CAPABILITIES.includes(full)) return [full];
    throw new RuntimeError("invalid-argument", `unknown capability ${JSON.stringify(given)}`);
  });
}

/**
 * The capability sets of a container's process: defaults, plus those added, less those dropped;
 * `ALL` in either is applied first, so that "drop ALL, add X" leaves X. A process that is not root
 * starts with the bounding set only, and with `addAmbientCapabilities`.
 */
export function capabilitySets(
  wanted: Partial<Capability> | undefined,
  options: { privileged: boolean; root: boolean; own: ReadonlySet<string> },
): OciCapabilities {
  const set = new Set(options.privileged ? CAPABILITIES : DEFAULTS);
  const { addCapabilities = [], dropCapabilities = [], addAmbientCapabilities = [] } = wanted ?? {};
  const isAll = (name: string) => name.toUpperCase() === "ALL";
  const ambient = expand(addAmbientCapabilities);
  if (addCapabilities.some(isAll)) for (const name of CAPABILITIES) set.add(name);
  if (dropCapabilities.some(isAll)) set.clear();
  const rest = (names: string[]) => expand(names.filter((name) => !isAll(name)));
  for (const name of [...rest(addCapabilities), ...ambient]) set.add(name);
  for (const name of rest(dropCapabilities)) set.delete(name);
  const bounding = CAPABILITIES.filter((name) => set.has(name) && options.own.has(name));
  const raised = ambient.filter((name) => bounding.includes(name));
  const permitted = options.root ? bounding : raised;
  return { bounding, effective: permitted, permitted, inheritable: raised, ambient: raised };
}
