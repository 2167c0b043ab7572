import koffi from "./koffi.ts";
import { constants } from "node:os";
import { CodedError } from "@raft2kube/std/errors.ts";

// The C library that Node itself is linked with, glibc or musl. Only calls that Node lacks are
// bound.
const library = koffi.load(null);

/** Calls of the C library, as they are: -1 and errno on failure. Use them through `check`. */
export const libc = {
  setns: library.func("int setns(int fd, int nstype)"),
  unshare: library.func("int unshare(int flags)"),
  mount: library.func(
    "int mount(const char *source, const char *target, const char *type, ulong flags, " +
      "const char *data)",
  ),
  // Without a function of the C library before glibc 2.36: the number comes first.
  fsopen: library.func("long syscall(long number, const char *type, ulong flags)"),
  fsconfig: library.func(
    "long syscall(long number, long fd, long command, const char *key, const char *value, " +
      "long extra)",
  ),
  fsmount: library.func("long syscall(long number, long fd, ulong flags, ulong attributes)"),
  move_mount: library.func(
    "long syscall(long number, long from_fd, const char *from, long fd, const char *target, " +
      "ulong flags)",
  ),
  flock: library.func("int flock(int fd, int operation)"),
  fchdir: library.func("int fchdir(int fd)"),
  fstatfs: library.func("int fstatfs(int fd, _Out_ void *status)"),
  chroot: library.func("int chroot(const char *path)"),
  umount2: library.func("int umount2(const char *target, int flags)"),
  socket: library.func("int socket(int domain, int type, int protocol)"),
  setsockopt: library.func(
    "int setsockopt(int fd, int level, int name, const void *value, uint length)",
  ),
  send: library.func("long send(int fd, const void *data, size_t length, int flags)"),
  recv: library.func("long recv(int fd, _Out_ void *data, size_t length, int flags)"),
  connect: library.func("int connect(int fd, const void *address, uint length)"),
  bind: library.func("int bind(int fd, const void *address, uint length)"),
  listen: library.func("int listen(int fd, int backlog)"),
  accept4: library.func("int accept4(int fd, void *address, void *length, int flags)"),
  socketpair: library.func("int socketpair(int domain, int type, int protocol, _Out_ int *fds)"),
  recvmsg: library.func("long recvmsg(int fd, void *message, int flags)"),
  dup3: library.func("int dup3(int from, int to, int flags)"),
  posix_openpt: library.func("int posix_openpt(int flags)"),
  grantpt: library.func("int grantpt(int fd)"),
  unlockpt: library.func("int unlockpt(int fd)"),
  fcntl: library.func("int fcntl(int fd, int command, long argument)"),
  ioctl: library.func("int ioctl(int fd, ulong request, void *argument)"),
  /** The same, of a request whose argument is a number. */
  ioctlNumber: library.func("int ioctl(int fd, ulong request, long argument)"),
  // Paths of the calls below are bytes with a zero at the end: a file's name may be no UTF-8.
  openat2: library.func(
    "long syscall(long number, long fd, const void *path, void *how, size_t size)",
  ),
  mkdirat: library.func("int mkdirat(int fd, const void *path, uint mode)"),
  mknodat: library.func("int mknodat(int fd, const void *path, uint mode, ulong device)"),
  symlinkat: library.func("int symlinkat(const void *target, int fd, const void *path)"),
  linkat: library.func(
    "int linkat(int from_fd, const void *from, int fd, const void *path, int flags)",
  ),
  renameat: library.func("int renameat(int from_fd, const void *from, int fd, const void *path)"),
  unlinkat: library.func("int unlinkat(int fd, const void *path, int flags)"),
  readlinkat: library.func(
    "long readlinkat(int fd, const void *path, _Out_ void *target, size_t size)",
  ),
  fchownat: library.func("int fchownat(int fd, const void *path, uint uid, uint gid, int flags)"),
  utimensat: library.func("int utimensat(int fd, const void *path, const void *times, int flags)"),
  listxattr: library.func("long listxattr(const char *path, _Out_ void *names, size_t size)"),
  getxattr: library.func(
    "long getxattr(const char *path, const char *name, _Out_ void *value, size_t size)",
  ),
  setxattr: library.func(
    "int setxattr(const char *path, const char *name, const void *value, size_t size, int flags)",
  ),
};

/**
 * Aliases that `errnoName` does not return: on Linux EWOULDBLOCK has the number of EAGAIN, and
 * ENOTSUP that of EOPNOTSUPP, the names that the manual pages of the system calls use.
 */
const ERRNO_ALIASES = ["EWOULDBLOCK", "ENOTSUP"];
const ERRNO_NAMES = new Map(Object.entries(constants.errno)
  .filter(([name]) => !ERRNO_ALIASES.includes(name))
  .map(([name, value]) => [value, name]));

/** The name of an errno (2 is ENOENT), or `E<number>` for one that Node has no name for. */
export function errnoName(errno: number): string {
  return ERRNO_NAMES.get(errno) ?? `E${errno}`;
}

/** A system call that failed; `code` is the errno's name, as on Node's own errors. */
export class SystemCallError extends CodedError {
  override readonly name = "SystemCallError";
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
 * The result of a call from `libc`, or SystemCallError when it is negative.
 * `detail` names what it was done to. Errno is read here: make no call in between.
 */
export function check(syscall: string, result: number, detail: string): number {
  if (result >= 0) return result;
  throw new SystemCallError(syscall, koffi.errno(), detail);
}
