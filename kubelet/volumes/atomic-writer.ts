import { randomBytes } from "node:crypto";
import { closeSync, constants, fchmodSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { removeTree } from "@raft2kube/linux/beneath/remove-tree.ts";
import { VolumeError } from "./volume-error.ts";

/**
 * A file of a projected volume; `mode` in the permission bits. Files of one object share its text,
 * and each is decoded only while it is compared or written.
 */
export interface ProjectedFile {
  text: string;
  encoding: "utf8" | "base64";
  mode: number;
}

/** Relative paths to files. */
export type Payload = ReadonlyMap<string, ProjectedFile>;

const DATA_DIR = "..data";
const NEW_DATA_DIR = "..data_tmp";
const CREATE = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

/**
 * Replaces the files of a volume atomically for its readers: all new files are written to a fresh
 * directory, then the link `..data` is renamed to point to it. Names at the top are links through
 * `..data`. Returns whether anything changed; an equal payload is not written again. `own` is
 * applied to the fresh directory before it is visible. All paths are opened through the volume's
 * descriptor, so that no link leads out of it. Source: API reference, atomic updates of ConfigMap,
 * Secret and projected volumes.
 */
export async function writeAtomically(
  dir: string,
  payload: Payload,
  own: (freshDir: string) => Promise<void>,
): Promise<boolean> {
  for (const path of payload.keys()) checkPath(path);
  using volume = Directory.open(dir);
  const current = linkTarget(volume, DATA_DIR);
  if (current && holds(volume, current, payload)) return false;
  const time = new Date().toISOString().replaceAll(/[-:]/g, "_");
  const fresh = `..${time}.${randomBytes(4).toString("hex")}`;
  writeFiles(volume, fresh, payload);
  await own(join(dir, fresh));
  await removeTree(volume, NEW_DATA_DIR);
  volume.makeSymlink(NEW_DATA_DIR, fresh);
  volume.rename(NEW_DATA_DIR, volume, DATA_DIR);
  await linkTops(volume, payload);
  await removeStale(volume, fresh);
  return true;
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

function writeFiles(volume: Directory, name: string, payload: Payload): void {
  volume.makeDirectory(name, 0o755);
  using fresh = volume.directory(name);
  // The file creation mask must not change the mode.
  fresh.chmod(0o755);
  for (const [path, { text, encoding, mode }] of payload) {
    using parent = fresh.makeDirectories(dirname(path), 0o755);
    const file = parent.open(basename(path), CREATE, { mode: 0o600 });
    try {
      writeFileSync(file, Buffer.from(text, encoding));
      fchmodSync(file, mode);
    } finally {
      closeSync(file);
    }
  }
}

/** Whether a directory of the volume has these files and no others. */
function holds(volume: Directory, name: string, payload: Payload): boolean {
  // The target is not a directory of a payload.
  if (!/^\.\.[^/]+$/.test(name)) return false;
  using found = volume.find(name);
  if (!found?.stats().isDirectory()) return false;
  using data = volume.directory(name);
  const files = filesBelow(data, "");
  if (files.length !== payload.size) return false;
  return files.every((path) => {
    const wanted = payload.get(path);
    return wanted !== undefined && isFile(data, path, wanted);
  });
}

function isFile(data: Directory, path: string, wanted: ProjectedFile): boolean {
  using found = data.handle(path);
  const { size, mode } = found.stats();
  // Ownership may have added bits to the mode; a bit that is missing means another mode.
  if ((mode & wanted.mode) !== wanted.mode) return false;
  const bytes = Buffer.from(wanted.text, wanted.encoding);
  return size === bytes.length && data.readFile(path, { limit_bytes: size }).equals(bytes);
}

function filesBelow(directory: Directory, below: string): string[] {
  const files: string[] = [];
  for (const name of directory.names()) {
    const path = below === "" ? String(name) : `${below}/${String(name)}`;
    using found = directory.handle(name);
    if (!found.stats().isDirectory()) {
      files.push(path);
      continue;
    }
    using inner = directory.directory(name);
    files.push(...filesBelow(inner, path));
  }
  return files;
}

/** Makes a link at the top for the first segment of each path, and removes all others. */
async function linkTops(volume: Directory, payload: Payload): Promise<void> {
  const tops = new Set([...payload.keys()].map((path) => path.split("/")[0]!));
  for (const top of tops) {
    const target = join(DATA_DIR, top);
    if (linkTarget(volume, top) === target) continue;
    await removeTree(volume, top);
    volume.makeSymlink(top, target);
  }
  for (const name of namesOf(volume)) {
    if (!name.startsWith("..") && !tops.has(name)) await removeTree(volume, name);
  }
}

/** Removes directories of former payloads, and of writes that a crash interrupted. */
async function removeStale(volume: Directory, current: string): Promise<void> {
  for (const name of namesOf(volume)) {
    if (!name.startsWith("..") || name === DATA_DIR || name === current) continue;
    await removeTree(volume, name);
  }
}

function namesOf(volume: Directory): string[] {
  return [...volume.names()].map(String);
}
