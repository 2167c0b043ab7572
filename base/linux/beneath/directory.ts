import { closeSync, type Dir, opendirSync, openSync, readSync } from "node:fs";
import { rmdir } from "node:fs/promises";
import { errno, isErrno, tolerateSync } from "@raft2kube/std/errors.ts";
import { readAside } from "../file/aside.ts";
import { SystemCallError } from "../syscall/libc.ts";
import { O_PATH } from "../syscall/numbers.ts";
import * as calls from "./calls.ts";
import { type FileName, O_DIRECTORY, O_NOFOLLOW, Resolve } from "./calls.ts";
import { Handle } from "./handle.ts";

/**
 * How a lookup treats symbolic links: `refuse` fails with ELOOP at the first one, and with EXDEV
 * for a path that leads above the directory; `inside` follows them as a process would whose root
 * directory this is (chroot(2)), so nothing leads out; `beneath` follows those that stay beneath
 * the directory, and an absolute one or one that leads above it is EXDEV. Magic links of /proc are
 * refused.
 */
export type Links = "refuse" | "inside" | "beneath";

export interface LookUp {
  /** How links are treated, by default `refuse`. */
  links?: Links;
  /** Whether a mount point on the way is EXDEV. */
  oneMount?: boolean;
}

/** How directories are looked up that are made where they are missing. */
export type MakeUp = LookUp & {
  links?: "refuse" | "inside";
  /** Called for each directory that was made; one that it throws for stays. */
  made?: (directory: Directory) => void;
};

const RESOLVE: Record<Links, number> = {
  refuse: Resolve.beneath | Resolve.noSymlinks | Resolve.noMagicLinks,
  inside: Resolve.inRoot | Resolve.noMagicLinks,
  beneath: Resolve.beneath | Resolve.noMagicLinks,
};
/** How open(2) treats a link as the last component. */
const lastLink = ({ links = "refuse" }: LookUp): number => (links === "refuse" ? O_NOFOLLOW : 0);

/**
 * The most links in one path, those that its links lead through included; as the kernel's
 * MAXSYMLINKS.
 */
const LINKS_FOLLOWED = 40;
/** The most parts of one path, those of links included: they are made in one turn of the loop. */
const PARTS = 1024;
const [EINVAL, EFBIG, ELOOP] = [22, 27, 40];
/** Bytes of a directory that are read in this thread. */
const LARGE_BYTES = 256 << 10;
/** Entries of a directory that are read at a time. */
const NAMES_AT_ONCE = 256;

/**
 * A directory held by its descriptor, and the only way to the files beneath it. Methods that look
 * up (`handle`, `directory`, `open`, `readFile`) take a path and never leave the directory. Methods
 * that change names take a single name, never follow a link under it, and refuse an empty one, `.`,
 * `..` and slashes with EINVAL. Failures are SystemCallError with errno's name as their code.
 */
export class Directory extends Handle {
  /** Opens the directory of a path that is trusted up to its last name, which must be no link. */
  static open(file: string): Directory {
    return new Directory(openSync(file, O_PATH | O_DIRECTORY | O_NOFOLLOW), file);
  }

  /** Opens for reading or writing, as open(2) with these flags; the caller closes it. */
  open(name: FileName, flags: number, options: LookUp & { mode?: number } = {}): number {
    const { links = "refuse", oneMount = false, mode } = options;
    const resolve = RESOLVE[links] | (oneMount ? Resolve.noXdev : 0);
    const how = { flags, resolve, ...(mode !== undefined && { mode }) };
    return calls.openBeneath(this.fd, name, how);
  }

  /**
   * Opens the file of any type that has the name; with `refuse` that may be a symbolic link itself.
   */
  handle(name: FileName, options: LookUp = {}): Handle {
    const flags = O_PATH | lastLink(options);
    return new Handle(this.open(name, flags, options), this.#labelOf(name));
  }

  /** The same as `handle`; undefined when the name does not exist. */
  find(name: FileName, options: LookUp = {}): Handle | undefined {
    return tolerateSync(() => this.handle(name, options), errno("ENOENT", "ENOTDIR"));
  }

  /** A directory beneath this one; ENOTDIR when it is none. */
  directory(name: FileName, options: LookUp = {}): Directory {
    const flags = O_PATH | O_DIRECTORY | lastLink(options);
    return new Directory(this.open(name, flags, options), this.#labelOf(name));
  }

  /**
   * A small file as a whole. A link that is not followed is ELOOP, anything else but a regular file
   * EINVAL, a file over the limit EFBIG.
   */
  readFile(name: FileName, options: LookUp & { limit_bytes: number }): Buffer {
    using handle = this.handle(name, options);
    const { limit_bytes } = options;
    const stats = handle.stats();
    if (!stats.isFile()) {
      const errno = stats.isSymbolicLink() ? ELOOP : EINVAL;
      throw new SystemCallError("read", errno, `${handle.label} is not a regular file`);
    }
    const fd = handle.reopen(calls.O_RDONLY | calls.O_NONBLOCK | calls.O_NOCTTY);
    try {
      return readUpTo(fd, limit_bytes, handle.label);
    } finally {
      closeSync(fd);
    }
  }

  /** The names in it, read a few at a time: a caller that stops early leaves the rest unread. */
  *names(): Generator<Buffer> {
    const reading = opendirSync(`/proc/self/fd/${this.fd}`, READ_NAMES) as unknown as Dir;
    try {
      for (let entry = reading.readSync(); entry; entry = reading.readSync()) {
        yield entry.name as unknown as Buffer;
      }
    } finally {
      reading.closeSync();
    }
  }

  /** Whether one read of it, or rmdir(2), may take long: it is as long as it ever was. */
  get isLarge(): boolean {
    return this.stats().size > LARGE_BYTES;
  }

  /**
   * The same for a directory that others fill. One read looks through all places of names that are
   * gone, hundreds of megabytes on the disk: of a large one the names are read in another thread,
   * and the caller awaits each promise that comes between them.
   */
  *namesAside(owner = ""): Generator<Buffer | Promise<void>> {
    if (!this.isLarge) return yield* this.names();
    const reading = opendirSync(`/proc/self/fd/${this.fd}`, READ_NAMES) as unknown as Dir;
    const names: Buffer[] = [];
    let failure: unknown;
    const read = async () => {
      while (names.length < NAMES_AT_ONCE) {
        const entry = await reading.read();
        if (!entry) return;
        names.push(entry.name as unknown as Buffer);
      }
    };
    try {
      do {
        yield* names.splice(0);
        yield readAside(owner, read).catch((thrown: unknown) => {
          failure = thrown;
        });
        if (failure !== undefined) throw failure;
      } while (names.length > 0);
    } finally {
      reading.closeSync();
    }
  }

  /** rmdir(2) in another thread: it reads all of a large directory, to see that it is empty. */
  removeDirectoryAside(name: Buffer, owner = ""): Promise<void> {
    const place = Buffer.concat([Buffer.from(`/proc/self/fd/${this.fd}/`), name]);
    return readAside(owner, () => rmdir(place));
  }

  /** mkdir(2). EEXIST when the name is taken, by a link too. */
  makeDirectory(name: FileName, mode: number): void {
    calls.makeDirectoryAt(this.fd, name, mode);
  }

  /** mknod(2): a device, a fifo or a whiteout. `mode` is a FileType and permissions. */
  makeNode(name: FileName, mode: number, device = 0): void {
    calls.makeNodeAt(this.fd, name, mode, device);
  }

  makeSymlink(name: FileName, target: FileName): void {
    calls.makeSymlinkAt(this.fd, name, target);
  }

  /** Another name for the file that `from` has under `fromName`; a link there is not followed. */
  makeLink(name: FileName, from: Directory, fromName: FileName): void {
    calls.linkAt(from.fd, fromName, this.fd, name);
  }

  rename(name: FileName, to: Directory, toName: FileName): void {
    calls.renameAt(this.fd, name, to.fd, toName);
  }

  /** unlink(2), or rmdir(2) for an empty directory. `removeTree` takes full ones. */
  remove(name: FileName, what: { directory: boolean } = { directory: false }): void {
    calls.unlinkAt(this.fd, name, what);
  }

  /**
   * The directory at a path, made with `mode` where parts of it are missing, those that a symbolic
   * link leads to included. ENOTDIR when another file is in the way.
   */
  makeDirectories(name: FileName, mode: number, options: MakeUp = {}): Directory {
    try {
      return this.directory(name.length === 0 ? "." : name, options);
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
    }
    return this.#makeParts(name, mode, options);
  }

  /**
   * Walks one part at a time, each looked up in the directory before it without following links;
   * links are followed here. `..` goes back on the way that was taken, never above this directory.
   */
  #makeParts(name: FileName, mode: number, { links = "refuse", ...options }: MakeUp): Directory {
    const waiting = partsOf(name);
    const way: Directory[] = [this.directory(".", options)];
    let [followed, parts] = [0, 0];
    const what = `${calls.quoted(name)} beneath ${this.label}`;
    const limit = () => new SystemCallError("mkdirat", ELOOP, what);
    try {
      while (waiting.length > 0) {
        const part = waiting.pop()!;
        if (part === "" || part === ".") continue;
        if (++parts > PARTS) throw limit();
        const here = way.at(-1)!;
        if (part === "..") {
          if (way.length > 1) way.pop()![Symbol.dispose]();
          continue;
        }
        const next = here.#directoryOrLink(Buffer.from(part, "latin1"), mode, options);
        if (next instanceof Directory) {
          way.push(next);
          continue;
        }
        if (links === "refuse" || ++followed > LINKS_FOLLOWED) throw limit();
        if (next[0] === SLASH) for (const left of way.splice(1)) left[Symbol.dispose]();
        waiting.push(...partsOf(next));
      }
      return way.pop()!;
    } finally {
      for (const left of way) left[Symbol.dispose]();
    }
  }

  /** The directory of a single name, made when there is none, or where its link leads. */
  #directoryOrLink(name: Buffer, mode: number, options: MakeUp): Directory | Buffer {
    try {
      calls.makeDirectoryAt(this.fd, name, mode);
    } catch (error) {
      if (!isErrno(error, "EEXIST")) throw error;
      using found = this.handle(name, options);
      return found.stats().isSymbolicLink() ? found.readLink() : this.directory(name, options);
    }
    using stack = new DisposableStack();
    const made = stack.use(this.directory(name, options));
    options.made?.(made);
    stack.move();
    return made;
  }

  #labelOf(name: FileName): string {
    const text = typeof name === "string" ? name : Buffer.from(name).toString();
    // Not joined by `path`, which reads the whole label again for each directory of a deep tree.
    return text === "." ? this.label : `${this.label}/${text}`;
  }
}

const SLASH = 0x2f;

/** The parts of a path, the last one first. A character stands for a byte. */
function partsOf(name: FileName): string[] {
  return Buffer.from(name as string)
    .toString("latin1")
    .split("/")
    .reverse();
}

/** Names come as bytes; Node's types know no directory that is read so. */
const READ_NAMES = { encoding: "buffer" as BufferEncoding, bufferSize: NAMES_AT_ONCE };

function readUpTo(fd: number, limit_bytes: number, label: string): Buffer {
  const chunks: Buffer[] = [];
  for (let size = 0; ; ) {
    const chunk = Buffer.alloc(Math.min(limit_bytes + 1 - size, 64 << 10));
    const read = readSync(fd, chunk);
    size += read;
    if (size > limit_bytes) {
      throw new SystemCallError("read", EFBIG, `${label} has more than ${limit_bytes} bytes`);
    }
    if (read === 0) return Buffer.concat(chunks);
    chunks.push(chunk.subarray(0, read));
  }
}
