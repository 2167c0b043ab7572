import { chmodSync, closeSync, constants, fstatSync, openSync, type Stats } from "node:fs";
import { check, libc, SystemCallError } from "../syscall/libc.ts";
import { ELOOP } from "../syscall/numbers.ts";
import { changeOwnerOf, readLinkOf, setTimesOf } from "./calls.ts";

/** Most that one attribute's value, or all names together, may take (limits.h). */
const XATTR_BYTES = 65_536;

/**
 * A file, folder, link or device that was looked up once and is held by its descriptor: all
 * operations are on that file, even if its name leads elsewhere by then. The descriptor is one of
 * the place (O_PATH): holding it opens no device and blocks on no fifo. Disposing of it closes it.
 */
export class Handle implements Disposable {
  readonly fd: number;
  /** The path that it was found by, for messages. */
  readonly label: string;

  /** Takes over `fd`. */
  constructor(fd: number, label: string) {
    this.fd = fd;
    this.label = label;
  }

  stats(): Stats {
    return fstatSync(this.fd);
  }

  /** The inode number, whole: `stats` rounds those above 2^53, which servers and overlayfs give. */
  inode(): bigint {
    return fstatSync(this.fd, { bigint: true }).ino;
  }

  /** Where a symbolic link leads, as it is written. EINVAL for anything else. */
  readLink(): Buffer {
    return readLinkOf(this.fd, this.label);
  }

  /** Changes owner and group (-1 keeps one), a link's own too. Clears set-id bits: chmod after. */
  chown(uid: number, gid: number): void {
    changeOwnerOf(this.fd, uid, gid, this.label);
  }

  /** Changes the permissions. A symbolic link has none: ELOOP. */
  chmod(mode: number): void {
    this.#refuseLink("chmod");
    chmodSync(this.#path, mode);
  }

  /** Sets the times of last access and last change, in milliseconds since 1970. A link's, too. */
  setTimes(access_ms: number, changed_ms: number): void {
    setTimesOf(this.fd, access_ms, changed_ms, this.label);
  }

  /** Sets an extended attribute (xattr(7)). Not of a symbolic link: ELOOP. */
  setAttribute(name: string, value: Uint8Array): void {
    this.#refuseLink("setxattr");
    const result = libc.setxattr(this.#path, name, value, value.length, 0);
    check("setxattr", result, `${name} of ${this.label}`);
  }

  /** The extended attributes by name. Not of a symbolic link: ELOOP. */
  attributes(): Map<string, Buffer> {
    this.#refuseLink("listxattr");
    const path = this.#path;
    const names = Buffer.alloc(XATTR_BYTES);
    const length = check("listxattr", libc.listxattr(path, names, names.length), this.label);
    const found = new Map<string, Buffer>();
    for (const name of names.toString("utf8", 0, length).split("\0").filter(Boolean)) {
      const value = Buffer.alloc(XATTR_BYTES);
      const detail = `${name} of ${this.label}`;
      const size = check("getxattr", libc.getxattr(path, name, value, value.length), detail);
      found.set(name, value.subarray(0, size));
    }
    return found;
  }

  /**
   * A descriptor for reading or writing the same file; the caller closes it. Look at `stats` first:
   * to open a device acts on it. A symbolic link is ELOOP. It does not wait: a file on which a
   * program has a lease (fcntl(2), F_SETLEASE) is EAGAIN.
   */
  reopen(flags: number): number {
    this.#refuseLink("open");
    return openSync(this.#path, flags | constants.O_NONBLOCK);
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }

  /** Leads to the descriptor's file without a lookup of any name of its own (proc_pid_fd(5)). */
  get #path(): string {
    return `/proc/self/fd/${this.fd}`;
  }

  #refuseLink(syscall: string): void {
    if (!this.stats().isSymbolicLink()) return;
    throw new SystemCallError(syscall, ELOOP, `${this.label} is a symbolic link`);
  }
}
