import { existsSync } from "node:fs";
import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { replaceFile, syncDirectory } from "@raft2kube/linux/file/durable-file.ts";
import { readBounded } from "@raft2kube/runtime/image/read-bounded.ts";
import { tarEntries } from "@raft2kube/runtime/image/tar/read.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { importSnapshot } from "@raft2kube/store/import.ts";
import { Decrypter } from "age-encryption";
import { withFileErrors } from "../file-errors.ts";
import { lockSlots } from "../locks/slots.ts";
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
import { type BackupHeader, isBackupFile, readHeader, storePartName } from "./contents.ts";
import { FILE_BYTES_MAX, FILES_MAX, STORE_PART_BYTES } from "./limits.ts";

/** A restore's folder until it is whole. */
const ASIDE = ".restoring";

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
 * whole or not at all, and only where none is. Throws CommandError `NO_FILE`, `NOT_DECRYPTED`,
 * `NOT_A_BACKUP`, `NEWER_BACKUP`, `DAMAGED_BACKUP`, `CLUSTER_EXISTS`, `ADDRESSES_TAKEN`,
 * `DISK_FULL`.
 */
export async function restoreBackup(options: RestoreOptions): Promise<Restored> {
  const { file, roots, signal } = options;
  await using source = await withFileErrors(file, () => open(file));
  await using _lock = await lockSlots(roots, systemClock(), { signal });
  const aside = join(roots.data, ASIDE);
  try {
    return await withFileErrors(roots.data, async () => {
      // Those that were killed have left keys; other releases add the process's id.
      const left = (await readdir(roots.data)).filter((name) => name.startsWith(ASIDE));
      for (const name of left) await rm(join(roots.data, name), { recursive: true, force: true });
      await mkdir(aside, { mode: 0o700 });
      const target = { ...options, aside };
      const header = await unpack(source, target).catch((cause: unknown) => {
        signal.throwIfAborted();
        if (cause instanceof CommandError || isErrno(cause, "ENOSPC", "EDQUOT", "EIO")) throw cause;
        throw damaged(messageOf(cause), cause);
      });
      const restored = await settle(header, target);
      signal.throwIfAborted();
      await rename(aside, restored.config.dataDir);
      await syncDirectory(roots.data);
      return { header, ...restored };
    });
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}

type Target = RestoreOptions & { readonly aside: string };

/** Throws CommandError `NOT_DECRYPTED` for another passphrase, and for a file that is not age's. */
async function* plainOf(file: FileHandle, { passphrase, signal }: Target): AsyncGenerator<Buffer> {
  const decrypter = new Decrypter();
  decrypter.addPassphrase(passphrase);
  const source = ReadableStream.from<Buffer>(file.createReadStream({ autoClose: false }));
  const plain = await decrypter.decrypt(source).catch((cause: unknown) => {
    const what = `the backup cannot be decrypted: ${messageOf(cause)}`;
    const remedy = "give the passphrase it was made with; if it is right, the file is damaged";
    throw new CommandError("NOT_DECRYPTED", what, { remedy, cause });
  });
  for await (const chunk of plain) {
    signal.throwIfAborted();
    yield Buffer.from(chunk);
  }
}

/** Writes the files of a backup, and the store's snapshot as one file. */
async function unpack(file: FileHandle, target: Target): Promise<BackupHeader> {
  const { aside, roots } = target;
  await using snapshot = await open(snapshotPath(aside), "wx", 0o600);
  let header: BackupHeader | undefined;
  let files = 0;
  let parts = 0;
  for await (const { header: entry, content } of tarEntries(plainOf(file, target))) {
    const name = entry.name.toString("utf8");
    const shown = JSON.stringify(name.slice(0, 128));
    if (entry.type !== "file") throw damaged(`${shown} is no file`);
    if (header === undefined) {
      header = readHeader(name, String(await readBounded(content, FILE_BYTES_MAX, shown)));
      refuseExisting(header, roots);
    } else if (name === storePartName(parts)) {
      await snapshot.appendFile(await readBounded(content, STORE_PART_BYTES, shown));
      parts++;
    } else if (isBackupFile(name) && ++files <= FILES_MAX) {
      const bytes = await readBounded(content, FILE_BYTES_MAX, shown);
      await replaceFile(join(aside, name), bytes, { mode: entry.mode & 0o644 });
    } else {
      throw damaged(`it has an unexpected file ${shown}`);
    }
  }
  if (header === undefined) throw damaged("it is empty");
  if (parts === 0) throw damaged("it has no snapshot of the store");
  return header;
}

/** Adapts the configuration to this machine's folders, and imports the store. */
async function settle(header: BackupHeader, target: Target): Promise<Omit<Restored, "header">> {
  const { aside, roots } = target;
  if (!existsSync(configPath(aside))) throw damaged("it has no cluster.json");
  const saved = await readConfigFile(configPath(aside), header.cluster);
  if (saved.name !== header.cluster) throw damaged("its files are another cluster's");
  if (!isWholeCluster(saved)) throw damaged("its cluster.json is not one that a start wrote");
  const config = { ...saved, ...clusterPlace(saved.name, roots) };
  await refuseTaken(config, target);
  await writeCluster(config, aside);
  // Its members are made by its own program, on its own machines.
  if (config.etcdServers !== undefined) {
    return { config, etcdSnapshot: snapshotPath(config.dataDir) };
  }
  const revision = await importStore(aside, config);
  await rm(snapshotPath(aside));
  return { config, revision };
}

/** Each member of the new store starts from the same state, as with etcd's restore. */
async function importStore(aside: string, config: ClusterConfig): Promise<number> {
  const here = { ...config, dataDir: aside };
  const members = [
    ...storeMemberNames(config).map((name) => {
      const { peers: cluster, ...member } = memberOptions(here, name);
      return { ...member, cluster };
    }),
    ...controlPlaneNames(config).map((name) => {
      const { clusterToken, ...cluster } = controlPlaneMembers(config, name);
      return { dataDir: storeDir(controlPlanePlace(here, name)), name, clusterToken, cluster };
    }),
  ];
  const alone = { dataDir: storeDir(here), name: "default", clusterToken: "etcd-cluster" };
  let revision = 0;
  for (const member of members.length > 0 ? members : [alone]) {
    ({ revision } = await importSnapshot({ file: snapshotPath(aside), ...member }));
  }
  return revision;
}

function refuseExisting({ cluster }: BackupHeader, roots: ClusterRoots): void {
  const { dataDir } = clusterPlace(checkClusterName(cluster), roots);
  if (!existsSync(dataDir)) return;
  throw new CommandError("CLUSTER_EXISTS", `there is a cluster "${cluster}" on this machine`, {
    remedy: `a restore replaces none: r2k down --purge --name ${cluster} removes it and its data`,
  });
}

/** The objects have addresses of the cluster's own ranges: it cannot be given others. */
async function refuseTaken(config: ClusterConfig, { roots, addresses = ownAddresses() }: Target) {
  const other = (await listClusters(roots)).find(({ slot }) => slot === config.slot);
  if (other === undefined && !addresses.includes(config.hostAddress)) return;
  const by = other === undefined ? "this host" : `the cluster "${other.name}"`;
  const what = `"${config.name}" has the address ${config.hostAddress}, which ${by} has too`;
  throw new CommandError("ADDRESSES_TAKEN", what, {
    remedy: "remove that cluster (r2k down --purge --name NAME), or restore on another machine",
  });
}

const snapshotPath = (dataDir: string): string => join(dataDir, "store.db");

function damaged(why: string, cause?: unknown): CommandError {
  const remedy = "restore from another backup; nothing was changed";
  return new CommandError("DAMAGED_BACKUP", `the backup is damaged: ${why}`, { remedy, cause });
}
