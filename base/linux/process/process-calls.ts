import { CodedError } from "@raft2kube/std/errors.ts";
import koffi from "../syscall/koffi.ts";
import { check, systemCall } from "../syscall/libc.ts";
import { step } from "../syscall/steps.ts";

// System calls by which a process becomes a container's. They are bound apart from libc.ts: few
// programs need them, and some have no function in the C library before glibc 2.36.
const call = systemCall(
  "long syscall(long number, long a, const void *b, const void *c, const void *d, long e)",
);
const paths = systemCall("long syscall(long number, const char *a, const char *b)");
const closeRangeCall = systemCall("long syscall(long number, ulong first, ulong last, long flags)");
const keyctlCall = systemCall("long syscall(long number, long operation, const char *name)");
const prctlCall = systemCall("int prctl(int option, ulong a, ulong b, ulong c, ulong d)");
const execveCall = systemCall(
  "int execve(const char *path, const char **arguments, const char **environment)",
);
const sethostnameCall = systemCall("int sethostname(const char *name, size_t length)");
const setsidCall = systemCall("int setsid(void)");
const signalCall = koffi.load(null).func("void *signal(int number, long handler)");
const setrlimitCall = systemCall("int setrlimit(int resource, const void *limit)");
const sendmsgCall = systemCall("long sendmsg(int fd, const void *message, int flags)");
const bpfCall = systemCall("long syscall(long number, long command, void *attribute, size_t size)");

interface Numbers {
  readonly pivotRoot: number;
  readonly capset: number;
  readonly keyctl: number;
  readonly bpf: number;
}

const NUMBERS: Partial<Record<NodeJS.Architecture, Numbers>> = {
  x64: { pivotRoot: 155, capset: 126, keyctl: 250, bpf: 321 },
  arm64: { pivotRoot: 41, capset: 91, keyctl: 219, bpf: 280 },
};
/** The same on every architecture: system calls from 424 on share one table. */
const CLOSE_RANGE = 436;

function numbers(): Numbers {
  const found = NUMBERS[process.arch];
  if (found) return found;
  throw new CodedError("ENOSYS", `system calls of ${process.arch} are not known`);
}

/** pivot_root(2). */
export function pivotRoot(root: string, oldRoot: string): void {
  step(() => ["pivot_root", root, oldRoot]);
  check("pivot_root", paths(numbers().pivotRoot, root, oldRoot), root);
}

/** Marks all descriptors from `first` on as closed by execve. */
export function closeOnExec(first: number): void {
  const CLOSE_RANGE_CLOEXEC = 4;
  const result = closeRangeCall(CLOSE_RANGE, first, 0xffffffff, CLOSE_RANGE_CLOEXEC);
  check("close_range", result, `from ${first}`);
}

/** prctl(2). */
export function prctl(option: number, a = 0, b = 0): void {
  check("prctl", prctlCall(option, a, b, 0, 0), `option ${option}, ${a}`);
}

/** Sets a signal's action to the default. */
export function defaultSignal(number: number): void {
  signalCall(number, 0);
}

/** A new session keyring, so that none is shared with the caller's. */
export function joinNewKeyring(name: string): void {
  const KEYCTL_JOIN_SESSION_KEYRING = 1;
  const result = keyctlCall(numbers().keyctl, KEYCTL_JOIN_SESSION_KEYRING, name);
  check("keyctl", result, `session keyring ${name}`);
}

/** Sets the capabilities of the calling thread: three sets of 64 bits (capset(2)). */
export function setCapabilities(sets: {
  effective: bigint;
  permitted: bigint;
  inheritable: bigint;
}): void {
  const VERSION_3 = 0x20080522;
  const header = Buffer.alloc(8);
  header.writeUInt32LE(VERSION_3);
  const data = Buffer.alloc(24);
  for (const half of [0, 1]) {
    const part = (set: bigint) => Number((set >> BigInt(32 * half)) & 0xffffffffn);
    data.writeUInt32LE(part(sets.effective), half * 12);
    data.writeUInt32LE(part(sets.permitted), half * 12 + 4);
    data.writeUInt32LE(part(sets.inheritable), half * 12 + 8);
  }
  const headerAddress = Number(koffi.address(header));
  check("capset", call(numbers().capset, headerAddress, data, null, null, 0), "the own thread");
}

export function setHostname(name: string): void {
  step(() => ["hostname", name]);
  check("sethostname", sethostnameCall(name, Buffer.byteLength(name)), name);
}

/** Makes the process the leader of a new session. */
export function newSession(): void {
  check("setsid", setsidCall(), "a new session");
}

/** Sets the soft and hard limit of open files. */
export function limitOpenFiles(soft: bigint, hard: bigint): void {
  const RLIMIT_NOFILE = 7;
  const limit = Buffer.alloc(16);
  limit.writeBigUInt64LE(soft, 0);
  limit.writeBigUInt64LE(hard, 8);
  step(() => `ulimit -Hn ${hard} -Sn ${soft}`);
  check("setrlimit", setrlimitCall(RLIMIT_NOFILE, limit), `open files ${soft}`);
}

/** Sends a descriptor over a Unix socket, with `data` (SCM_RIGHTS, unix(7)). */
export function sendDescriptor(socket: number, fd: number, data: string): void {
  const bytes = Buffer.from(data);
  const control = Buffer.alloc(24);
  control.writeBigUInt64LE(20n, 0);
  control.writeInt32LE(1, 8); // SOL_SOCKET
  control.writeInt32LE(1, 12); // SCM_RIGHTS
  control.writeInt32LE(fd, 16);
  const vector = Buffer.alloc(16);
  vector.writeBigUInt64LE(koffi.address(bytes), 0);
  vector.writeBigUInt64LE(BigInt(bytes.length), 8);
  const header = Buffer.alloc(56);
  header.writeBigUInt64LE(koffi.address(vector), 16);
  header.writeBigUInt64LE(1n, 24);
  header.writeBigUInt64LE(koffi.address(control), 32);
  header.writeBigUInt64LE(BigInt(control.length), 40);
  check("sendmsg", sendmsgCall(socket, header, 0), "a descriptor");
}

/** bpf(2); `attribute` is the call's union. Returns the result. */
export function bpf(command: number, attribute: Buffer): number {
  return check("bpf", bpfCall(numbers().bpf, command, attribute, attribute.length), `${command}`);
}

/**
 * Replaces this process by a program, from the calling thread: its namespaces, credentials and
 * filters are the program's. Returns only by throwing.
 */
export function execve(
  path: string,
  args: readonly string[],
  environment: readonly string[],
): never {
  step(() => ["exec", path, ...args.slice(1)]);
  check("execve", execveCall(path, [...args, null], [...environment, null]), path);
  throw new CodedError("ENOEXEC", `${path} was not executed`);
}
