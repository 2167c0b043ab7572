import { createHash, randomBytes } from "node:crypto";
import { closeSync, constants, fchmodSync, fchownSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { removeTree } from "@raft2kube/linux/beneath/remove-tree.ts";
import { walk } from "@raft2kube/linux/beneath/walk.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { inSlices, Slices } from "@raft2kube/std/slices.ts";
import { FairTurns } from "@raft2kube/std/turns.ts";
import { VolumeError } from "./volume-error.ts";

/**
 * A file of a projected volume; `mode` in the permission bits. Files of one object share its text,
 * and each is decoded only while it is compared or written.
 */
export type ProjectedFile = {
  text: string;
  encoding: "utf8" | "base64";
  mode: number;
  /** The file's owner, root without one. */
  uid?: number;
};

/** Relative paths to files. */
export type Payload = ReadonlyMap<string, ProjectedFile>;

const DATA_DIR = "..data";
const NEW_DATA_DIR = "..data_tmp";
const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

export interface WriteOptions {
  /** The pod's namespace: namespaces take turns. */
  readonly owner: string;
  /** Prepares the fresh directory before its files are visible. */
  own(freshDir: string): Promise<void>;
  /** Paths of further directories, relative to the volume. */
  readonly nested?: Iterable<string>;
}

/**
 * Writes the files of volumes. One volume is written at a time, those of different owners in
 * rotation, and in slices: a pod may have many small files, which a client changes each second.
 */
export class AtomicWriter {
  readonly #turns = new FairTurns();
  /** The directory of the files of each volume, and the digest of their payload. */
  readonly #written = new Map<string, string>();

  /**
   * Replaces the files of a volume atomically for its readers; `own` is applied before they are
   * visible. Returns whether anything changed: an equal payload is not written again, and its files
   * are read once. One volume is not written twice at a time. `nested` are directories beside the
   * files, for mounts; where a file has the name of one, what was there first stays.
   */
  async write(dir: string, payload: Payload, options: WriteOptions): Promise<boolean> {
    const { owner, nested = [] } = options;
    for (const path of [...payload.keys(), ...nested]) checkPath(path);
    const digest = await inSlices(digestOf(payload, nested));
    const written = this.#written.get(dir);
    if (written !== undefined && written === `${filesOf(dir)} ${digest}`) return false;
    const { files, changed } = await this.#turns.run(owner, () => replace(dir, payload, options));
    // After the turn: it waits for the disk to free the former files.
    await removeStale(dir, files, owner);
    this.#written.set(dir, `${files} ${digest}`);
    return changed;
  }

  /** Forgets a directory that is removed. */
  forget(dir: string): void {
    this.#written.delete(dir);
  }
}

/** Returns the name of a volume's present directory of files: no two mounts have the same. */
function filesOf(dir: string): string | undefined {
  using volume = Directory.open(dir);
  return linkTarget(volume, DATA_DIR);
}

/**
 * Writes all new files to a fresh directory, then renames the link `..data` to point to it. Names
 * at the top are links through `..data`. All paths are opened through the volume's descriptor, so
 * that no link leads out of it. Returns the directory of the files. Source: API reference, atomic
 * updates of ConfigMap, Secret and projected volumes.
 */
async function replace(
  dir: string,
  payload: Payload,
  { own, nested = [] }: WriteOptions,
): Promise<{ files: string; changed: boolean }> {
  using volume = Directory.open(dir);
  let files = linkTarget(volume, DATA_DIR);
  const changed = files === undefined || !(await inSlices(holds(volume, files, payload)));
  if (files === undefined || changed) {
    const time = new Date().toISOString().replaceAll(/[-:]/g, "_");
    files = `..${time}.${randomBytes(4).toString("hex")}`;
    await inSlices(writeFiles(volume, files, payload));
    await own(join(dir, files));
    await removeTree(volume, NEW_DATA_DIR);
    volume.makeSymlink(NEW_DATA_DIR, files);
    volume.rename(NEW_DATA_DIR, volume, DATA_DIR);
  }
  // An earlier attempt may have ended before this.
  await linkTops(volume, payload, new Set([...nested].map(topOf)));
  for (const path of nested) makeNested(volume, path);
  return { files, changed };
}

/** Makes a directory for a mount, unless a file or directory of the payload is in its place. */
function makeNested(volume: Directory, path: string): void {
  if (linkTarget(volume, topOf(path)) !== undefined) return;
  volume.makeDirectories(path, 0o755)[Symbol.dispose]();
}

const topOf = (path: string): string => path.split("/")[0]!;

function* digestOf(payload: Payload, nested: Iterable<string>): Generator<void, string> {
  const hash = createHash("sha256").update(JSON.stringify([...nested]));
  for (const [path, { text, encoding, mode }] of payload) {
    hash.update(JSON.stringify([path, encoding, mode, text.length])).update(text);
    yield;
  }
  return hash.digest("base64");
}

function checkPath(path: string): void {
  const parts = path.split("/");
  if (path === "" || path.startsWith("/") || parts.includes("..") || parts[0]!.startsWith("..")) {
    throw new VolumeError("InvalidPath", `a projected file may not be called ${path}`);
  }
}

/** Returns a link's target; undefined when there is no link. */
function linkTarget(volume: Directory, name: string): string | undefined {
  using found = volume.find(name);
  return found?.stats().isSymbolicLink() ? found.readLink().toString() : undefined;
}

function* writeFiles(volume: Directory, name: string, payload: Payload): Generator<void, void> {
  volume.makeDirectory(name, 0o755);
  using fresh = volume.directory(name);
  // The file creation mask must not change the mode.
  fresh.chmod(0o755);
  for (const [path, { text, encoding, mode, uid = 0 }] of payload) {
    yield;
    using parent = fresh.makeDirectories(dirname(path), 0o755);
    const file = parent.open(basename(path), CREATE, { mode: 0o600 });
    try {
      writeFileSync(file, Buffer.from(text, encoding));
      if (uid !== 0) giveToUser(file, uid);
      fchmodSync(file, mode);
    } finally {
      closeSync(file);
    }
  }
}

function giveToUser(file: number, uid: number): void {
  try {
    fchownSync(file, uid, -1);
  } catch (cause) {
    if (!isErrno(cause, "EINVAL")) throw cause;
    const message = `runAsUser ${uid} is not mapped in this user namespace`;
    const remedy = "choose a user that the node's user namespace maps (/proc/self/uid_map)";
    throw new VolumeError("NotSupported", message, { remedy, cause });
  }
}

/** Whether a directory of the volume has these files and no others. */
function* holds(volume: Directory, name: string, payload: Payload): Generator<void, boolean> {
  // The target is not a directory of a payload.
  if (!/^\.\.[^/]+$/.test(name)) return false;
  if (!isDirectory(volume, name)) return false;
  using data = volume.directory(name);
  let files = 0;
  for (const { stats } of walk(data)) {
    if (!stats.isDirectory()) files++;
    yield;
  }
  if (files !== payload.size) return false;
  for (const [path, wanted] of payload) {
    if (!isFile(data, path, wanted)) return false;
    yield;
  }
  return true;
}

function isFile(data: Directory, path: string, wanted: ProjectedFile): boolean {
  using found = data.find(path);
  if (!found) return false;
  const { size, mode, uid } = found.stats();
  if (uid !== (wanted.uid ?? 0)) return false;
  // Ownership may have added bits to the mode; a bit that is missing means another mode.
  if ((mode & wanted.mode) !== wanted.mode) return false;
  const bytes = Buffer.from(wanted.text, wanted.encoding);
  return size === bytes.length && data.readFile(path, { limit_bytes: size }).equals(bytes);
}

/**
 * Makes a link at the top for the first segment of each path, and removes all others. Directories
 * of mounts stay: removing one would unmount it in the container.
 */
async function linkTops(
  volume: Directory,
  payload: Payload,
  nested: ReadonlySet<string>,
): Promise<void> {
  const tops = new Set([...payload.keys()].map(topOf));
  const isKept = (name: string) => nested.has(name) && isDirectory(volume, name);
  const slices = new Slices();
  for (const top of tops) {
    if (slices.due) await slices.pause();
    const target = join(DATA_DIR, top);
    if (linkTarget(volume, top) === target || isKept(top)) continue;
    await removeTree(volume, top);
    volume.makeSymlink(top, target);
  }
  for (const name of namesOf(volume)) {
    if (name.startsWith("..") || tops.has(name) || isKept(name)) continue;
    await removeTree(volume, name);
  }
}

function isDirectory(volume: Directory, name: string): boolean {
  using found = volume.find(name);
  return found?.stats().isDirectory() ?? false;
}

/** Removes directories of former payloads, and of writes that a crash interrupted. */
async function removeStale(dir: string, current: string, owner: string): Promise<void> {
  using volume = Directory.open(dir);
  for (const name of namesOf(volume)) {
    if (!name.startsWith("..") || name === DATA_DIR || name === current) continue;
    await removeTree(volume, name, owner);
  }
}

const namesOf = (volume: Directory): string[] => [...volume.names()].map(String);
