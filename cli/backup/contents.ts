import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { namesIn } from "@raft2kube/linux/file/names-in.ts";
import type { TarInput } from "@raft2kube/runtime/image/tar/write.ts";
import { messageOf, tolerateSync } from "@raft2kube/std/errors.ts";
import { CommandError } from "../terminal.ts";
import { FILE_BYTES_MAX, FILES_MAX } from "./limits.ts";

/** The first file of a backup, which describes it before any other is used. */
export const HEADER_NAME = "backup.json";
export const FORMAT_VERSION = 1;

/** The header of a backup. */
export interface BackupHeader {
  readonly formatVersion: typeof FORMAT_VERSION;
  /** The version of r2k that wrote it. */
  readonly version: string;
  readonly cluster: string;
  /** RFC 3339. */
  readonly created: string;
}

/**
 * The folders of the data folder whose files are backed up; the rest is a node's, or made again, as
 * are a control plane's identities from the cluster's.
 */
const FOLDERS = ["pki", "pki/etcd", "manifests"];
const TOP_FILE = /^[a-z0-9][A-Za-z0-9_-]*\.(conf|json|yaml)$/;
const FILE_IN_FOLDER = /^(pki|pki\/etcd|manifests)\/[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** Whether a backup may have a file of this name: none leads out of the data folder. */
export function isBackupFile(name: string): boolean {
  return TOP_FILE.test(name) || FILE_IN_FOLDER.test(name);
}

/** The name of a part of the store's snapshot. */
export const storePartName = (part: number): string => `store/${String(part).padStart(6, "0")}`;

/**
 * Reads the certificates, keys, kubeconfigs, configuration and static pods in a cluster's data
 * folder. Throws CommandError `BACKUP_FILE` for a file whose name a backup cannot have, which is
 * too large, or which cannot be read: a backup without a key would restore another cluster.
 */
export async function readFiles(dataDir: string): Promise<TarInput[]> {
  const names = (await reading(dataDir, readdir(dataDir))).filter((name) => TOP_FILE.test(name));
  for (const folder of FOLDERS) {
    const path = join(dataDir, folder);
    const found = (await reading(path, namesIn(path))).map((name) => `${folder}/${name}`);
    names.push(...found.filter((name) => !FOLDERS.includes(name)));
  }
  if (names.length > FILES_MAX) throw refused(dataDir, `has more than ${FILES_MAX} files`);
  const files: TarInput[] = [];
  for (const name of names.sort()) {
    const path = join(dataDir, name);
    if (!isBackupFile(name)) throw refused(path, "has a name that a backup cannot have");
    const { size, mode } = await reading(path, stat(path));
    if (size > FILE_BYTES_MAX) throw refused(path, `is larger than ${FILE_BYTES_MAX} bytes`);
    files.push({ name, mode: mode & 0o777, content: await reading(path, readFile(path)) });
  }
  return files;
}

function reading<T>(path: string, work: Promise<T>): Promise<T> {
  return work.catch((cause: unknown) => {
    throw refused(path, `cannot be read: ${messageOf(cause)}`, cause);
  });
}

function refused(path: string, why: string, cause?: unknown): CommandError {
  const remedy = "move it elsewhere, unless it is the cluster's";
  return new CommandError("BACKUP_FILE", `${path} ${why}`, { remedy, cause });
}

/** Reads a backup's first file. Throws CommandError `NOT_A_BACKUP`, `NEWER_BACKUP`. */
export function readHeader(name: string, text: string): BackupHeader {
  const isNoJson = (thrown: unknown) => thrown instanceof SyntaxError;
  const value = tolerateSync(() => JSON.parse(text) as unknown, isNoJson);
  const { formatVersion, version, cluster, created } = (value ?? {}) as Partial<BackupHeader>;
  if (name !== HEADER_NAME || typeof formatVersion !== "number" || typeof cluster !== "string") {
    const remedy = "name a file that r2k backup wrote";
    throw new CommandError("NOT_A_BACKUP", "the file is no backup of a cluster", { remedy });
  }
  if (formatVersion !== FORMAT_VERSION) {
    const what = `the backup has format ${formatVersion}, this r2k reads ${FORMAT_VERSION}`;
    const remedy = `restore it with the r2k that wrote it, version ${String(version)}`;
    throw new CommandError("NEWER_BACKUP", what, { remedy });
  }
  return { formatVersion, version: String(version), cluster, created: String(created) };
}
