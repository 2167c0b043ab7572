import { existsSync } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile, syncDirectory } from "@raft2kube/linux/file/durable-file.ts";
import { type TarEntry, tarEntries } from "@raft2kube/runtime/image/tar/read.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { importSnapshot } from "@raft2kube/store/import.ts";
import { controlPlaneMembers, memberOptions } from "../process/store-member.ts";
import {
  type ClusterConfig,
  type ClusterRoots,
  checkClusterName,
  clusterPlace,
  configPath,
  isWholeCluster,
  listClusters,
  ownAddresses,
  readConfigFile,
  writeCluster,
} from "../spec/config.ts";
import { controlPlaneNames, controlPlanePlace } from "../spec/control-planes.ts";
import { storeDir, storeMemberNames } from "../spec/store.ts";
import { CommandError } from "../terminal.ts";
import { type BackupHeader, isBackupFile, readHeader, storePartOf } from "./contents.ts";
import { decryption } from "./encryption.ts";
import { namingFullDisk } from "./full-disk.ts";
import { FILE_BYTES_MAX, FILES_MAX, STORE_PART_BYTES } from "./limits.ts";

/** A restore's folder, with the process's id behind it, until it is whole. */
const ASIDE = ".restoring-";

export interface RestoreOptions {
  readonly file: string;
  readonly passphrase: string;
  readonly roots: ClusterRoots;
  readonly signal: AbortSignal;
  /** The addresses of this host's interfaces. Default: those that are up. */
  readonly addresses?: readonly string[];
}

export interface Restored {
  readonly header: BackupHeader;
  readonly config: ClusterConfig;
  /** The revision of the store at which the backup was made; absent for an etcd of its own. */
  readonly revision?: number;
  /** The snapshot that an etcd of its own is restored from, in its own format. */
  readonly etcdSnapshot?: string;
}

/**
 * Makes a cluster's data folder from a backup. It is made aside and renamed, so that it appears
 * whole or not at all, and only where none is. Throws CommandError `NOT_DECRYPTED`, `NOT_A_BACKUP`,
 * `NEWER_BACKUP`, `DAMAGED_BACKUP`, `CLUSTER_EXISTS`, `ADDRESSES_TAKEN`, `DISK_FULL`.
 */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  const { file, passphrase, roots, signal, addresses = ownAddresses() } = options;
  await using source = await openBackup(file);
  await mkdir(roots.data, { recursive: true });
  await removeKilled(roots);
  const aside = join(roots.data, `${ASIDE}${process.pid}`);
  await mkdir(aside, { mode: 0o700 });
  try {
    const { header, config, revision } = await namingFullDisk(roots.data, async () => {
      const found = await unpack(source, passphrase, { aside, roots, signal });
      return { header: found, ...(await settle({ aside, roots, addresses }, found)) };
    });
    const of =
      revision === undefined ? { etcdSnapshot: snapshotPath(config.dataDir) } : { revision };
    signal.throwIfAborted();
    await rename(aside, config.dataDir).catch((cause: unknown) => {
      throw isErrno(cause, "EEXIST", "ENOTEMPTY", "ENOTDIR") ? exists(config.name, cause) : cause;
    });
    await syncDirectory(roots.data);
    return { header, config, ...of };
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

/** Removes what restores left that were killed: it has keys. */
async function removeKilled({ data }: ClusterRoots): Promise<void> {
  const all = (await readdir(data)).filter((name) => name.startsWith(ASIDE));
  const killed = all.filter((name) => {
    const pid = name.slice(ASIDE.length);
    return pid === String(process.pid) || !existsSync(`/proc/${pid}`);
  });
  for (const name of killed) await rm(join(data, name), { recursive: true, force: true });
}

async function openBackup(file: string): Promise<FileHandle> {
  try {
    return await open(file);
  } catch (cause) {
    throw new CommandError("NO_FILE", `${file} cannot be read: ${messageOf(cause)}`, {
      cause,
      remedy: "name a file that r2k backup wrote",
    });
  }
}

interface Target {
  readonly aside: string;
  readonly roots: ClusterRoots;
  readonly signal: AbortSignal;
}

/** Writes the files of a backup, and the store's snapshot as one file. */
async function unpack(file: FileHandle, passphrase: string, target: Target): Promise<BackupHeader> {
  const source = file.createReadStream({ autoClose: false });
  const plain = await decryption(passphrase, ReadableStream.from<Buffer>(source));
  try {
    return await unpackEntries(asBuffers(plain, target.signal), target);
  } catch (thrown) {
    target.signal.throwIfAborted();
    if (thrown instanceof CommandError || isErrno(thrown, "ENOSPC", "EDQUOT", "EIO")) throw thrown;
    throw damaged(messageOf(thrown), thrown);
  }
}

async function unpackEntries(
  source: AsyncIterable<Buffer>,
  { aside, roots }: Target,
): Promise<BackupHeader> {
  await using snapshot = await open(snapshotPath(aside), "wx", 0o600);

  let header: BackupHeader | undefined;
  let files = 0;
  const store = { parts: 0 };
  for await (const entry of tarEntries(source)) {
    const name = entry.header.name.toString("utf8");
    if (header === undefined) {
      header = readHeader(name, (await whole(entry, FILE_BYTES_MAX)).toString("utf8"));
      refuseExisting(header, roots);
    } else if (storePartOf(name) === store.parts) {
      await snapshot.appendFile(await whole(entry, STORE_PART_BYTES));
      store.parts++;
    } else if (isBackupFile(name) && ++files <= FILES_MAX) {
      const content = await whole(entry, FILE_BYTES_MAX);
      await replaceFile(join(aside, name), content, { mode: entry.header.mode & 0o644 });
    } else {
      throw damaged(`it has an unexpected file ${JSON.stringify(name.slice(0, 128))}`);
    }
  }
  if (header === undefined) throw damaged("it is empty");
  if (store.parts === 0) throw damaged("it has no snapshot of the store");
  return header;
}

/** The content of a file of at most `bytes_max` bytes. */
async function whole({ header, content }: TarEntry, bytes_max: number): Promise<Buffer> {
  const name = header.name.toString("utf8", 0, 128);
  if (header.type !== "file") throw damaged(`${name} is no file`);
  if (header.size > bytes_max) throw damaged(`${name} has ${header.size} bytes`);
  const parts: Buffer[] = [];
  for await (const part of content) parts.push(part);
  return Buffer.concat(parts);
}

async function* asBuffers(
  stream: ReadableStream<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  for await (const chunk of stream) {
    signal.throwIfAborted();
    yield Buffer.from(chunk);
  }
}

/** Adapts the configuration to this machine's folders, and imports the store. */
async function settle(
  { aside, roots, addresses }: Pick<Target, "aside" | "roots"> & { addresses: readonly string[] },
  header: BackupHeader,
): Promise<{ config: ClusterConfig; revision?: number }> {
  if (!existsSync(configPath(aside))) throw damaged("it has no cluster.json");
  const saved = await readConfigFile(configPath(aside), header.cluster);
  if (saved.name !== header.cluster) throw damaged("its files are another cluster's");
  if (!isWholeCluster(saved)) throw damaged("its cluster.json is not one that a start wrote");
  const config = { ...saved, ...clusterPlace(saved.name, roots) };
  refuseTaken(config, await listClusters(roots), addresses);
  await writeCluster(config, aside);
  // Its members are made by its own program, on its own machines.
  if (config.etcdServers !== undefined) return { config };
  const revision = await importStore(aside, config);
  await rm(snapshotPath(aside));
  return { config, revision };
}

/** Each member of the new store starts from the same state, as with etcd's restore. */
async function importStore(aside: string, config: ClusterConfig): Promise<number> {
  const here = { ...config, dataDir: aside };
  const processes = storeMemberNames(config).map((name) => {
    const { clusterToken = "", peers } = memberOptions(config, name);
    const { initialCluster, advertiseUrls } = peers!;
    const cluster = { initialCluster, advertiseUrls };
    return { dataDir: storeDir(here, name), name, clusterToken, cluster };
  });
  const machines = controlPlaneNames(config).map((name) => {
    const { clusterToken, ...cluster } = controlPlaneMembers(config, name);
    return { dataDir: storeDir(controlPlanePlace(here, name)), name, clusterToken, cluster };
  });
  const alone = { dataDir: storeDir(here), name: "default", clusterToken: "etcd-cluster" };
  const several = [...processes, ...machines];
  let revision = 0;
  for (const member of several.length > 0 ? several : [alone]) {
    ({ revision } = await importSnapshot({ file: snapshotPath(aside), ...member }));
  }
  return revision;
}

function refuseExisting({ cluster }: BackupHeader, roots: ClusterRoots): void {
  const { dataDir } = clusterPlace(checkClusterName(cluster), roots);
  if (existsSync(dataDir)) throw exists(cluster);
}

/** The objects have addresses of the cluster's own ranges: it cannot be given others. */
function refuseTaken(
  config: ClusterConfig,
  clusters: readonly ClusterConfig[],
  addresses: readonly string[],
): void {
  const other = clusters.find(({ slot }) => slot === config.slot);
  if (other === undefined && !addresses.includes(config.hostAddress)) return;
  const by = other === undefined ? "this host" : `the cluster "${other.name}"`;
  const what = `"${config.name}" has the address ${config.hostAddress}, which ${by} has too`;
  throw new CommandError("ADDRESSES_TAKEN", what, {
    remedy: "remove that cluster (r2k down --purge --name NAME), or restore on another machine",
  });
}

const snapshotPath = (dataDir: string): string => join(dataDir, "store.db");

function exists(name: string, cause?: unknown): CommandError {
  return new CommandError("CLUSTER_EXISTS", `there is a cluster "${name}" on this machine`, {
    cause,
    remedy: `a restore replaces none: r2k down --purge --name ${name} removes it and its data`,
  });
}

function damaged(why: string, cause?: unknown): CommandError {
  return new CommandError("DAMAGED_BACKUP", `the backup is damaged: ${why}`, {
    cause,
    remedy: "restore from another backup; nothing was changed",
  });
}
