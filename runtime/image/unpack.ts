import { constants, write, writeSync } from "node:fs";
import { promisify } from "node:util";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { Handle } from "@raft2kube/linux/beneath/handle.ts";
import { removeTree } from "@raft2kube/linux/beneath/remove-tree.ts";
import { deviceNumber, FileType } from "@raft2kube/linux/file/special-file.ts";
import { readMappedIds } from "@raft2kube/linux/namespace/user-namespace.ts";
import { codeOf, isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { inSlices, Slices } from "@raft2kube/std/slices.ts";
import { RuntimeError } from "../errors.ts";
import { LAYER_DIRECTORIES_BYTES, LAYER_ENTRIES, LAYER_UNPACKED_BYTES } from "../limits.ts";
import { FILE_BYTES } from "./disk-reserve.ts";
import { describe } from "./ownership.ts";
import { type Place, placeOf, quotedName, refuse } from "./place.ts";
import type { TarHeader } from "./tar/header.ts";
import { type TarEntry, tarEntries } from "./tar/read.ts";
import { hide, isWhiteout, makeOpaque, whiteoutOf } from "./whiteout.ts";

/** The content of a layer, and the parts of it that could not be kept. */
export interface Unpacked {
  entries: number;
  size_bytes: number;
  /** Entries with extended attributes that are not restored. */
  attributesLost: number;
  /** Entries of users or groups that do not exist in this user namespace: root has them. */
  ownersLost: number;
  /** Directories that it uses without describing them. */
  implied: number;
}

export interface UnpackLimits {
  entries: number;
  size_bytes: number;
  /** Bytes of memory for directories. */
  directories_bytes?: number;
}

const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
const writeTo = promisify(write);
/** Bytes that are written in less time than a thread takes to be woken for them. */
const SYNC_WRITE_BYTES_MAX = 64 << 10;

/** Mode of directories that a layer uses without describing them. */
const IMPLIED_MODE = 0o755;

/** Gives a directory the owner and mode that it has in the layers beneath; false if it has none. */
function inherit(made: Directory, place: string, lower: readonly string[]): boolean {
  for (const folder of lower) {
    using layer = Directory.open(folder);
    using found = layer.find(place, { links: "inside" });
    if (found === undefined) continue;
    const stats = found.stats();
    if (!stats.isDirectory()) return false;
    made.chown(stats.uid, stats.gid);
    made.chmod(stats.mode & 0o7777);
    return true;
  }
  return false;
}

/** Memory for a directory until its time is set at the end, beside its name. */
const DIRECTORY_BYTES = 512;

/** Errors of the kernel that blame the layer, not the machine. */
const REFUSALS = new Set([
  "EEXIST",
  "EINVAL",
  "ELOOP",
  "EMLINK",
  "ENAMETOOLONG",
  "ENOTDIR",
  "EPERM",
  "EXDEV",
]);
const NO_SPACE = new Set(["ENOSPC", "EDQUOT"]);

/** A failure at an entry, with its name. */
function explained(header: TarHeader, error: unknown): RuntimeError {
  if (error instanceof RuntimeError) return error;
  const code = codeOf(error) ?? "";
  const full = NO_SPACE.has(code) ? "resource-exhausted" : "internal";
  const kind = REFUSALS.has(code) ? "invalid-argument" : full;
  const message = `layer entry ${quotedName(header.name)}: ${messageOf(error)}`;
  return new RuntimeError(kind, message, { cause: error });
}

/** Makes a name; an existing file of that name is removed first. */
async function replacing<T>(parent: Directory, name: Buffer, make: () => T): Promise<T> {
  try {
    return make();
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
  }
  await removeTree(parent, name);
  return make();
}

/** Counts bytes before they are written. */
interface Reserve {
  take(size_bytes: number): Promise<void>;
}

async function makeFile(
  parent: Directory,
  last: Buffer,
  entry: TarEntry,
  reserve: Reserve,
): Promise<Handle> {
  const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
  const fd = await replacing(parent, last, () => parent.open(last, flags, { mode: 0o600 }));
  const file = new Handle(fd, last.toString());
  try {
    for await (const chunk of entry.content) {
      await reserve.take(chunk.length);
      for (let at = 0; at < chunk.length; ) {
        const rest = chunk.length - at;
        const isSmall = rest <= SYNC_WRITE_BYTES_MAX;
        at += isSmall
          ? writeSync(fd, chunk, at)
          : (await writeTo(fd, chunk, at, rest)).bytesWritten;
      }
    }
    return file;
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
}

/**
 * Makes a directory. One that the layer has brought already stays, with its content; a file of the
 * name is replaced. In place of a whiteout it is opaque: lower layers may have a directory there.
 */
async function makeDirectory(parent: Directory, last: Buffer): Promise<Directory> {
  // lab:01b begin make-directory
  const make = () => parent.makeDirectory(last, IMPLIED_MODE);
  try {
    make();
    return parent.directory(last);
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
  }
  using before = parent.handle(last);
  if (before.stats().isDirectory()) return parent.directory(last);
  await removeTree(parent, last);
  make();
  const made = parent.directory(last);
  if (isWhiteout(before)) makeOpaque(made);
  return made;
  // lab:01b end
}

const NODES = {
  fifo: FileType.fifo,
  "block-device": FileType.block,
  "character-device": FileType.character,
};

/** Unpacks one layer into a directory that no entry can leave. */
class Unpacking {
  readonly #root: Directory;
  readonly #reserve: Reserve;
  readonly #directories_bytes_max: number;
  /** Folders of the layers beneath, the topmost first. */
  readonly #lower: readonly string[];
  /** The last implied directory that none of them has. */
  #absent: string | undefined;
  readonly #ids = readMappedIds();
  /** Directories by inode. */
  readonly #directories = new Map<number, { place: Place; mtime_ms: number }>();
  #directories_bytes = 0;
  /** Directories that the layer uses without describing them. */
  implied = 0;
  readonly lost = { attributesLost: 0, ownersLost: 0 };

  constructor(
    root: Directory,
    reserve: Reserve,
    directories_bytes_max: number,
    lower: readonly string[],
  ) {
    this.#root = root;
    this.#reserve = reserve;
    this.#lower = lower;
    this.#directories_bytes_max = directories_bytes_max;
  }

  async add(entry: TarEntry): Promise<void> {
    const { header } = entry;
    const place = placeOf(header, header.name);
    const { folder, last } = place;
    if (last.length === 0) return this.#describeRoot(header, place);
    await this.#reserve.take(FILE_BYTES + bytesOf(header.attributes));
    const before = this.implied;
    const made = (directory: Directory) => {
      this.implied++;
      this.#inherit(directory);
    };
    const how = { links: "inside", made } as const;
    using parent = this.#root.makeDirectories(folder, IMPLIED_MODE, how);
    await this.#reserve.take((this.implied - before) * FILE_BYTES);
    const whiteout = whiteoutOf(header, last);
    if (whiteout.kind === "opaque") return makeOpaque(parent);
    if (whiteout.kind === "hide") return hide(parent, whiteout.name);
    if (whiteout.kind === "ignore") return;
    using file = await this.#make(parent, last, entry);
    // Another name for a file that has been described.
    if (file === undefined) return;
    this.#describe(file, header);
    if (header.type === "directory") this.#setTimeLast(file, header, place);
  }

  #inherit(made: Directory): void {
    const at = made.label.slice(this.#root.label.length);
    // Beneath a directory that no layer has there is none.
    if (at.startsWith(`${this.#absent}/`) || inherit(made, at, this.#lower)) return;
    this.#absent = at;
  }

  /**
   * Sets the directories' times again, as each file made in one has changed its time. A directory
   * that a later entry has replaced is left alone.
   */
  *finish(): Generator<void> {
    // lab:01b begin finish
    for (const [ino, { place, mtime_ms }] of this.#directories) {
      using found = this.#find(place);
      if (found?.stats().ino === ino) found.setTimes(mtime_ms, mtime_ms);
      yield;
    }
    // lab:01b end
  }

  /** Makes what the header says; undefined for a hard link. */
  async #make(parent: Directory, last: Buffer, entry: TarEntry): Promise<Handle | undefined> {
    const { header } = entry;
    switch (header.type) {
      case "directory":
        return makeDirectory(parent, last);
      case "file":
        return makeFile(parent, last, entry, this.#reserve);
      case "symlink":
        // The kernel's ENOENT would not blame the layer.
        if (header.linkname.length === 0) throw refuse(header, "links to nothing");
        await replacing(parent, last, () => parent.makeSymlink(last, header.linkname));
        return parent.handle(last);
      case "link":
        await this.#makeHardLink(parent, last, header);
        return undefined;
      case "character-device":
      case "block-device":
      case "fifo": {
        const device = deviceNumber(header.devmajor, header.devminor);
        const mode = NODES[header.type] | 0o600;
        await replacing(parent, last, () => parent.makeNode(last, mode, device));
        return parent.handle(last);
      }
    }
  }

  /**
   * Makes a name for a file that the layer has brought, in place of what has that name. A target
   * that is not in the layer, or is the root, is refused.
   */
  async #makeHardLink(parent: Directory, last: Buffer, header: TarHeader): Promise<void> {
    // lab:01b begin make-hard-link
    const target = placeOf(header, header.linkname);
    if (target.last.length === 0) throw refuse(header, "links to the root");
    try {
      using folder = this.#root.directory(target.folder, { links: "inside" });
      await replacing(parent, last, () => parent.makeLink(last, folder, target.last));
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
      throw refuse(header, `links to ${quotedName(header.linkname)}, which is not in the layer`);
    }
    // lab:01b end
  }

  /** The root is there before the layer, which only describes it. */
  #describeRoot(header: TarHeader, place: Place): void {
    if (header.type !== "directory") throw refuse(header, `makes the root a ${header.type}`);
    using root = this.#root.directory(".");
    this.#describe(root, header);
    this.#setTimeLast(root, header, place);
  }

  #describe(made: Handle, header: TarHeader): void {
    const { owner, attributes } = describe(made, header, this.#ids);
    if (owner) this.lost.ownersLost++;
    if (attributes) this.lost.attributesLost++;
  }

  #setTimeLast(made: Handle, { mtime_ms }: TarHeader, place: Place): void {
    const { ino } = made.stats();
    if (!this.#directories.has(ino)) {
      this.#directories_bytes += place.folder.length + place.last.length + DIRECTORY_BYTES;
    }
    if (this.#directories_bytes > this.#directories_bytes_max) throw tooLarge();
    this.#directories.set(ino, { place, mtime_ms });
  }

  #find({ folder, last }: Place): Handle | undefined {
    if (last.length === 0) return this.#root.directory(".");
    using parent = this.#root.find(folder, { links: "inside" });
    if (!parent?.stats().isDirectory()) return undefined;
    using opened = this.#root.directory(folder, { links: "inside" });
    return opened.find(last);
  }
}

function tooLarge(): RuntimeError {
  return new RuntimeError("resource-exhausted", "the layer unpacks to more than is allowed");
}

function bytesOf(attributes: TarHeader["attributes"]): number {
  return [...attributes.values()].reduce((sum, value) => sum + value.length, 0);
}

/**
 * Unpacks a layer's tar into `root`, as overlayfs wants it: whiteouts become devices 0:0, opaque
 * folders get their attribute (OCI image spec, layer.md). Nothing outside `root` is changed or
 * linked to: names are looked up beneath it by descriptor, symbolic links are followed as if it
 * were `/`, `..` is refused. A layer that cannot be is invalid-argument, naming the entry; over the
 * limits, or without room on the disk, it is resource-exhausted. Directories that names imply are
 * root's, or have the attributes of the layers beneath, whose folders `lower` are, topmost first.
 */
export async function unpackLayer(
  source: AsyncIterable<Buffer>,
  root: Directory,
  reserve: Reserve,
  limits: UnpackLimits = { entries: LAYER_ENTRIES, size_bytes: LAYER_UNPACKED_BYTES },
  lower: readonly string[] = [],
): Promise<Unpacked> {
  const { directories_bytes = LAYER_DIRECTORIES_BYTES } = limits;
  const unpacking = new Unpacking(root, reserve, directories_bytes, lower);
  const slices = new Slices();
  let [entries, size_bytes] = [0, 0];
  for await (const entry of tarEntries(source)) {
    entries++;
    size_bytes += entry.header.size;
    if (entries > limits.entries || size_bytes > limits.size_bytes) throw tooLarge();
    try {
      await unpacking.add(entry);
    } catch (error) {
      throw explained(entry.header, error);
    }
    if (entries + unpacking.implied > limits.entries) throw tooLarge();
    if (slices.due) await slices.pause();
  }
  await inSlices(unpacking.finish(), slices);
  const { implied, lost } = unpacking;
  return { entries: entries + implied, size_bytes, implied, ...lost };
}
