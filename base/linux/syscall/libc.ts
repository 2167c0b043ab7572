import { constants } from "node:os";
import { CodedError } from "@raft2kube/std/errors.ts";
import koffi from "./koffi.ts";

// The C library that Node itself is linked with, glibc or musl. Only calls that Node lacks are
// bound.
const library = koffi.load(null);

/** The errno of the last call that failed, for `check`. */
let lastErrno = 0;

/**
 * Binds a function of the C library, by its declaration, that returns -1 and sets errno when it
 * fails.
 */
export function systemCall(declaration: string): (...args: readonly unknown[]) => number {
  const call = library.func(declaration) as (...args: readonly unknown[]) => number;
  return (...args) => {
    const result = call(...args);
    // Read immediately: the engine's own calls, such as allocations, may overwrite it.
    if (result < 0) lastErrno = koffi.errno();
    return result;
  };
}

/** Calls of the C library, as they are: -1 and errno on failure. Use them through `check`. */
export const libc = {
  setns: systemCall("int setns(int fd, int nstype)"),
  unshare: systemCall("int unshare(int flags)"),
  mount: systemCall(
    "int mount(const char *source, const char *target, const char *type, ulong flags, " +
      "const char *data)",
  ),
  // Without a function of the C library before glibc 2.36: the number comes first.
  fsopen: systemCall("long syscall(long number, const char *type, ulong flags)"),
  fsconfig: systemCall(
    "long syscall(long number, long fd, long command, const char *key, const char *value, " +
      "long extra)",
  ),
  fsmount: systemCall("long syscall(long number, long fd, ulong flags, ulong attributes)"),
  move_mount: systemCall(
    "long syscall(long number, long from_fd, const char *from, long fd, const char *target, " +
      "ulong flags)",
  ),
  flock: systemCall("int flock(int fd, int operation)"),
  lseek: systemCall("long lseek(int fd, long offset, int whence)"),
  fchdir: systemCall("int fchdir(int fd)"),
  fstatfs: systemCall("int fstatfs(int fd, _Out_ void *status)"),
  chroot: systemCall("int chroot(const char *path)"),
  umount2: systemCall("int umount2(const char *target, int flags)"),
  socket: systemCall("int socket(int domain, int type, int protocol)"),
  setsockopt: systemCall(
    "int setsockopt(int fd, int level, int name, const void *value, uint length)",
  ),
  send: systemCall("long send(int fd, const void *data, size_t length, int flags)"),
  recv: systemCall("long recv(int fd, _Out_ void *data, size_t length, int flags)"),
  connect: systemCall("int connect(int fd, const void *address, uint length)"),
  bind: systemCall("int bind(int fd, const void *address, uint length)"),
  listen: systemCall("int listen(int fd, int backlog)"),
  accept4: systemCall("int accept4(int fd, void *address, void *length, int flags)"),
  socketpair: systemCall("int socketpair(int domain, int type, int protocol, _Out_ int *fds)"),
  pipe2: systemCall("int pipe2(_Out_ int *fds, int flags)"),
  recvmsg: systemCall("long recvmsg(int fd, void *message, int flags)"),
  close: systemCall("int close(int fd)"),
  dup3: systemCall("int dup3(int from, int to, int flags)"),
  posix_openpt: systemCall("int posix_openpt(int flags)"),
  grantpt: systemCall("int grantpt(int fd)"),
  unlockpt: systemCall("int unlockpt(int fd)"),
  fcntl: systemCall("int fcntl(int fd, int command, long argument)"),
  ioctl: systemCall("int ioctl(int fd, ulong request, void *argument)"),
  /** The same, of a request whose argument is a number. */
  ioctlNumber: systemCall("int ioctl(int fd, ulong request, long argument)"),
  // Paths of the calls below are bytes with a zero at the end: a file's name may be no UTF-8.
  openat2: systemCall(
    "long syscall(long number, long fd, const void *path, void *how, size_t size)",
  ),
  mkdirat: systemCall("int mkdirat(int fd, const void *path, uint mode)"),
  mknodat: systemCall("int mknodat(int fd, const void *path, uint mode, ulong device)"),
  symlinkat: systemCall("int symlinkat(const void *target, int fd, const void *path)"),
  linkat: systemCall(
    "int linkat(int from_fd, const void *from, int fd, const void *path, int flags)",
  ),
  renameat: systemCall("int renameat(int from_fd, const void *from, int fd, const void *path)"),
  unlinkat: systemCall("int unlinkat(int fd, const void *path, int flags)"),
  readlinkat: systemCall(
    "long readlinkat(int fd, const void *path, _Out_ void *target, size_t size)",
  ),
  fchownat: systemCall("int fchownat(int fd, const void *path, uint uid, uint gid, int flags)"),
  utimensat: systemCall("int utimensat(int fd, const void *path, const void *times, int flags)"),
  listxattr: systemCall("long listxattr(const char *path, _Out_ void *names, size_t size)"),
  getxattr: systemCall(
    "long getxattr(const char *path, const char *name, _Out_ void *value, size_t size)",
  ),
  setxattr: systemCall(
    "int setxattr(const char *path, const char *name, const void *value, size_t size, int flags)",
  ),
};

/**
 * Aliases that `errnoName` does not return: on Linux EWOULDBLOCK has the number of EAGAIN, and
 * ENOTSUP that of EOPNOTSUPP, the names that the manual pages of the system calls use.
 */
const ERRNO_ALIASES = ["EWOULDBLOCK", "ENOTSUP"];
const ERRNO_NAMES = new Map(
  Object.entries(constants.errno)
    .filter(([name]) => !ERRNO_ALIASES.includes(name))
    .map(([name, value]) => [value, name]),
);

/** The name of an errno (2 is ENOENT), or `E<number>` for one that Node has no name for. */
export const errnoName = (errno: number): string => ERRNO_NAMES.get(errno) ?? `E${errno}`;

/** A system call that failed; `code` is the errno's name, as on Node's own errors. */
export class SystemCallError extends CodedError {
  readonly syscall: string;
  readonly errno: number;

  constructor(syscall: string, errno: number, detail: string) {
    const code = errnoName(errno);
    super(code, `${syscall} ${detail}: ${code}`);
    this.syscall = syscall;
    this.errno = errno;
  }
}

/**
 * The result of the last `systemCall`, as those of `libc` are, or SystemCallError when it is
 * negative. `detail` names what it was done to.
 */
export function check(syscall: string, result: number, detail: string): number {
  if (result >= 0) return result;
  throw new SystemCallError(syscall, lastErrno, detail);
}
