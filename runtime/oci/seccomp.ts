import { readFileSync } from "node:fs";
import { release } from "node:os";
import type { SecurityProfile } from "@raft2kube/proto/gen/cri.ts";
import { SecurityProfile_ProfileType as ProfileType } from "@raft2kube/proto/gen/cri.ts";
import { RuntimeError } from "../errors.ts";
import type { OciSeccomp } from "./spec.ts";
import { ALLOWED, ALLOWED_BY_CAPABILITY } from "./syscalls.ts";

const ALLOW = "SCMP_ACT_ALLOW";
const ERRNO = "SCMP_ACT_ERRNO";
const EPERM = 1;
const ENOSYS = 38;
/** clone(2) flags that make new namespaces: CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}. */
const CLONE_NAMESPACES = 0x7e020000;
/** The bits of an `int` in the 64 of an argument: the kernel takes no notice of the others. */
const INT_MASK = 0xffffffff;
/** Values of an `int` that differ in their last bits alone. */
type Block = readonly [first: number, size: number];
/** The condition that an argument of a system call is one of a block. */
const isOf = (index: number, [first, size]: Block) => {
  const mask = INT_MASK - (size - 1);
  return { index, value: mask, valueTwo: first, op: "SCMP_CMP_MASKED_EQ" };
};
/**
 * Address families that a container may use: all that there are, and room for more, but for AF_ALG
 * (38), the kernel's cryptography, a large interface that few programs need and that has had its
 * holes, AF_VSOCK (40), whose sockets lead to the hypervisor, and AF_XDP (44), whose rings are
 * gigabytes that count as memory of no cgroup, and which needs CAP_NET_ADMIN to receive. A filter
 * compares 64 bits, of which the kernel takes 32, so "other than 38" would let 2^32 + 38 pass: each
 * block names the bits that it compares.
 */
const FAMILIES: readonly Block[] = [
  [0, 32],
  [32, 4],
  [36, 2],
  [39, 1],
  [41, 1],
  [42, 2],
  [45, 1],
  [46, 2],
  [48, 16],
];
const AF_XDP: Block = [44, 1];
/**
 * Levels of options, and those of TCP (6), that a container without raw sockets may set: not
 * TCP_MD5SIG (14), TCP_MD5SIG_EXT (32) and TCP_AO_ADD_KEY (38), whose keys are memory of no cgroup,
 * 24 times as much as their socket has. Routers that need them have raw sockets.
 */
const OPTIONS = "setsockopt";
const IPPROTO_TCP: Block = [6, 1];
const OTHER_LEVELS: readonly Block[] = [
  [0, 4],
  [4, 2],
  [7, 1],
  [8, 8],
  [16, 16],
  [32, 32],
  [64, 64],
  [128, 128],
  [256, 256],
];
const TCP_OPTIONS: readonly Block[] = [
  [0, 8],
  [8, 4],
  [12, 2],
  [15, 1],
  [16, 16],
  [33, 1],
  [34, 2],
  [36, 2],
  [39, 1],
  [40, 8],
  [48, 16],
];
/**
 * Commands of fcntl(2) that a container may use: all that there are, and room for more, but for
 * F_SETLEASE (1024) and F_SETDELEG (1040). A process that opens a file on which another has a lease
 * waits for it, 45 s by default: the node's process, a driver or the OCI runtime, too. File servers
 * that need leases have CAP_LEASE.
 */
const COMMANDS: readonly Block[] = [
  [0, 1024],
  [1025, 1],
  [1026, 2],
  [1028, 4],
  [1032, 8],
  [1041, 1],
  [1042, 2],
  [1044, 4],
  [1048, 8],
];
const CONTROL = ["fcntl", "fcntl64"];
/** personality(2): Linux, with short times, 32-bit, both, and the query. */
const PERSONALITIES = [0, 8, 0x20000, 0x20008, 0xffffffff];

const ARCHITECTURES: Partial<Record<NodeJS.Architecture, string[]>> = {
  x64: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
  arm64: ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
};

/**
 * The RuntimeDefault profile: what programs use is allowed; administration of the kernel needs its
 * capability.
 */
export function defaultProfile(capabilities: readonly string[]): OciSeccomp {
  const has = (capability: string) => capabilities.includes(capability);
  const families = [...FAMILIES, ...(has("CAP_NET_ADMIN") ? [AF_XDP] : [])];
  const hasRawSockets = has("CAP_NET_RAW") || has("CAP_NET_ADMIN");
  const options = [
    ...OTHER_LEVELS.map((level) => [isOf(1, level)]),
    ...TCP_OPTIONS.map((option) => [isOf(1, IPPROTO_TCP), isOf(2, option)]),
  ];
  const commands = has("CAP_LEASE") ? [] : COMMANDS;
  const bounded = [...(hasRawSockets ? [] : [OPTIONS]), ...(has("CAP_LEASE") ? [] : CONTROL)];
  const syscalls: OciSeccomp["syscalls"] = [
    { names: ALLOWED.filter((name) => !bounded.includes(name)), action: ALLOW },
    ...(hasRawSockets ? [] : options).map((args) => ({ names: [OPTIONS], action: ALLOW, args })),
    ...commands.map((command) => ({ names: CONTROL, action: ALLOW, args: [isOf(1, command)] })),
    ...families.map((family) => ({ names: ["socket"], action: ALLOW, args: [isOf(0, family)] })),
    ...PERSONALITIES.map((value) => ({
      names: ["personality"],
      action: ALLOW,
      args: [{ index: 0, value, op: "SCMP_CMP_EQ" }],
    })),
  ];
  for (const [capability, names] of Object.entries(ALLOWED_BY_CAPABILITY)) {
    if (has(capability)) syscalls.push({ names, action: ALLOW });
  }
  if (!has("CAP_SYS_ADMIN")) {
    syscalls.push({
      names: ["clone"],
      action: ALLOW,
      args: [{ index: 0, value: CLONE_NAMESPACES, valueTwo: 0, op: "SCMP_CMP_MASKED_EQ" }],
    });
    // A filter cannot read its flags, which are behind a pointer; ENOSYS makes the C library use
    // clone.
    syscalls.push({ names: ["clone3"], action: ERRNO, errnoRet: ENOSYS });
  }
  return {
    defaultAction: ERRNO,
    defaultErrnoRet: EPERM,
    ...(ARCHITECTURES[process.arch] && { architectures: ARCHITECTURES[process.arch] }),
    syscalls,
  };
}

/** When an entry of a profile in docker's form applies. */
type Condition = { caps?: string[]; arches?: string[]; minKernel?: string };
type Entry = OciSeccomp["syscalls"][number] & { includes?: Condition; excludes?: Condition };
type DockerProfile = Omit<OciSeccomp, "syscalls"> & {
  syscalls: Entry[];
  archMap?: { architecture: string; subArchitectures?: string[] }[];
};

/** Whether a kernel is of a version or newer. */
function isSince(version: string): boolean {
  const numbers = (text: string) => text.split(".").map((part) => Number.parseInt(part, 10));
  const [[own = 0, ownMinor = 0], [major = 0, minor = 0]] = [numbers(release()), numbers(version)];
  return own > major || (own === major && ownMinor >= minor);
}

/** Whether an entry applies here, as docker reads `includes` and `excludes`. */
function applies({ includes, excludes }: Entry, capabilities: readonly string[]): boolean {
  const machine = { x64: "amd64" }[process.arch as string] ?? process.arch;
  const has = (name: string) => capabilities.includes(name);
  const { caps = [], arches = [], minKernel } = includes ?? {};
  if (excludes?.arches?.includes(machine) || excludes?.caps?.some(has)) return false;
  if (excludes?.minKernel && isSince(excludes.minKernel)) return false;
  if (!caps.every(has) || (arches.length > 0 && !arches.includes(machine))) return false;
  return minKernel === undefined || isSince(minKernel);
}

/** A profile of the node's administrator: JSON in the runtime spec's shape, or docker's. */
function localProfile(file: string, capabilities: readonly string[]): OciSeccomp {
  let profile: Partial<DockerProfile>;
  try {
    profile = JSON.parse(readFileSync(file, "utf8")) as Partial<DockerProfile>;
  } catch (cause) {
    const message = `cannot read seccomp profile ${file}: ${String(cause)}`;
    throw new RuntimeError("failed-precondition", message, { cause });
  }
  const { defaultAction, defaultErrnoRet, flags, archMap = [] } = profile;
  if (defaultAction === undefined) {
    throw new RuntimeError("invalid-argument", `seccomp profile ${file} has no defaultAction`);
  }
  const native = ARCHITECTURES[process.arch]?.[0];
  const own = archMap.find(({ architecture }) => architecture === native);
  const architectures =
    profile.architectures ?? (own && [own.architecture, ...(own.subArchitectures ?? [])]);
  const syscalls = (profile.syscalls ?? [])
    .filter((entry) => applies(entry, capabilities))
    .map(({ includes: _, excludes: __, ...entry }) => entry);
  return { defaultAction, defaultErrnoRet, architectures, flags, syscalls } as OciSeccomp;
}

/** The filter of a profile in CRI; undefined means none. */
export function seccompFor(
  profile: SecurityProfile | undefined,
  options: { privileged: boolean; capabilities: readonly string[] },
): OciSeccomp | undefined {
  if (profile === undefined || options.privileged) return undefined;
  switch (profile.profileType) {
    case ProfileType.Unconfined:
      return undefined;
    case ProfileType.RuntimeDefault:
      return defaultProfile(options.capabilities);
    case ProfileType.Localhost:
      return localProfile(profile.localhostRef, options.capabilities);
    default:
      throw new RuntimeError("unimplemented", `seccomp profile type ${profile.profileType}`);
  }
}
