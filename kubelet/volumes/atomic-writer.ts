import { createHash } from "node:crypto";
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
  unlink,
  writeFile,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { isErrno } from "@raft2kube/std/errors.ts";
import { VolumeError } from "./volume-error.ts";

/** A file of a projected volume; `mode` in the permission bits. */
export interface ProjectedFile {
  data: Buffer;
  mode: number;
}

/** Relative paths to files. */
export type Payload = ReadonlyMap<string, ProjectedFile>;

const DATA_DIR = "..data";
const NEW_DATA_DIR = "..data_tmp";

/**
 * Replaces the files of a volume at once, as its readers see it: all new files are written to a
 * fresh directory, then the link `..data` is renamed to point there. Names at the top are links
 * through `..data`. Returns whether anything changed; a payload already in place is not written
 * again. `own` is applied to the fresh directory before it is shown. Source: the API's promise that
 * ConfigMap, Secret and projected volumes are updated atomically.
 */
export async function writeAtomically(
  dir: string,
  payload: Payload,
  own: (freshDir: string) => Promise<void>,
): Promise<boolean> {
  for (const path of payload.keys()) checkPath(path);
  const current = await linkTarget(join(dir, DATA_DIR));
  if (current && (await holds(join(dir, current), payload))) return false;
  const fresh = await mkdtemp(join(dir, `..${new Date().toISOString().replaceAll(/[-:]/g, "_")}.`));
  await chmod(fresh, 0o755);
  for (const [path, { data, mode }] of payload) {
    const file = join(fresh, path);
    await mkdir(dirname(file), { recursive: true, mode: 0o755 });
    await writeFile(file, data);
    // Not left to the file creation mask.
    await chmod(file, mode);
  }
  await own(fresh);
  await rm(join(dir, NEW_DATA_DIR), { force: true });
  await symlink(fresh.slice(dir.length + 1), join(dir, NEW_DATA_DIR));
  await rename(join(dir, NEW_DATA_DIR), join(dir, DATA_DIR));
  await linkTops(dir, payload);
  await removeStale(dir, fresh.slice(dir.length + 1));
  return true;
}

function checkPath(path: string): void {
  const parts = path.split("/");
  if (path === "" || path.startsWith("/") || parts.includes("..") || parts[0]!.startsWith("..")) {
    throw new VolumeError("InvalidPath", `a projected file may not be called ${path}`);
  }
}

async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return await readlink(path);
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return undefined;
    throw thrown;
  }
}

async function holds(dir: string, payload: Payload): Promise<boolean> {
  const files = await filesBelow(dir, "");
  if (files.length !== payload.size) return false;
  for (const path of files) {
    const wanted = payload.get(path);
    if (!wanted || digest(await readFile(join(dir, path))) !== digest(wanted.data)) return false;
    // Ownership may have added bits to the mode; a bit that is missing means another mode.
    const { mode } = await lstat(join(dir, path));
    if ((mode & wanted.mode) !== wanted.mode) return false;
  }
  return true;
}

async function filesBelow(dir: string, below: string): Promise<string[]> {
  const files: string[] = [];
  try {
    for (const entry of await readdir(join(dir, below), { withFileTypes: true })) {
      const path = below === "" ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory()) files.push(...(await filesBelow(dir, path)));
      else files.push(path);
    }
  } catch (thrown) {
    if (!isErrno(thrown, "ENOENT")) throw thrown;
  }
  return files;
}

function digest(data: Buffer): string {
  return createHash("sha256").update(data).digest("hex");
}

/** A link at the top for each first part of a path, and none else. */
async function linkTops(dir: string, payload: Payload): Promise<void> {
  const tops = new Set([...payload.keys()].map((path) => path.split("/")[0]!));
  for (const top of tops) {
    if ((await linkTarget(join(dir, top))) === undefined) {
      await symlink(join(DATA_DIR, top), join(dir, top));
    }
  }
  for (const name of await readdir(dir)) {
    if (!name.startsWith("..") && !tops.has(name)) await unlink(join(dir, name));
  }
}

/** Directories of former payloads, and of writes that a crash cut short. */
async function removeStale(dir: string, current: string): Promise<void> {
  for (const name of await readdir(dir)) {
    if (!name.startsWith("..") || name === DATA_DIR || name === current) continue;
    await rm(join(dir, name), { recursive: true, force: true });
  }
}
