import { readSync } from "node:fs";
import { type FileHandle, link, open, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { syncDirectory } from "@raft2kube/linux/file/durable-file.ts";
import { Maintenance } from "@raft2kube/proto/gen/etcd.ts";
import { client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { type TarInput, writeTar } from "@raft2kube/runtime/image/tar/write.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { etcdRemedy, readEtcdTls } from "../observe/etcd-servers.ts";
import type { ClusterConfig } from "../spec/config.ts";
import { storeEndpoints } from "../spec/store.ts";
import { CommandError } from "../terminal.ts";
import { VERSION } from "../version.ts";
import {
  type BackupHeader,
  FORMAT_VERSION,
  HEADER_NAME,
  readFiles,
  storePartName,
} from "./contents.ts";
import { encryption } from "./encryption.ts";
import { namingFullDisk } from "./full-disk.ts";
import { STORE_PART_BYTES } from "./limits.ts";

export interface BackupOptions {
  readonly config: ClusterConfig;
  /** The path of the new file, which gets mode 0600. */
  readonly file: string;
  readonly passphrase: string;
  readonly now_ms: number;
  readonly signal: AbortSignal;
  /** The cost of scrypt as a power of two. Default SCRYPT_LOG_N. */
  readonly scryptLogN?: number;
}

/**
 * Writes the state of a running cluster's control plane to a file: certificates and keys, the
 * configuration, and a snapshot of the store, in a tar that is encrypted with the passphrase in
 * age's format. The file appears whole or not at all. Throws CommandError `STORE_DOWN` if no member
 * of the store answers, `ETCD_FILES`, `FILE_EXISTS`, `NO_FILE`, `DISK_FULL`; and the signal's
 * reason once it is aborted.
 */
export async function createBackup(options: BackupOptions): Promise<void> {
  const { config, file, passphrase, signal, scryptLogN } = options;
  const files = await readFiles(config.dataDir);
  await using snapshot = await unnamedFile(join(config.dataDir, ".backup-of-store"));
  await namingFullDisk(config.dataDir, () => takeSnapshot(config, snapshot, signal));
  const tar = writeTar(entries(headerOf(options), files, snapshot.fd));
  // Read only once the file can be made: a stream that is left would read a closed snapshot.
  const encrypted = async function* () {
    yield* await encryption(passphrase, ReadableStream.from<Buffer>(tar), scryptLogN);
  };
  await namingFullDisk(dirname(file), () => writeWhole(file, encrypted(), signal));
}

/** A file that has no name any more: it goes with the process. */
async function unnamedFile(path: string): Promise<FileHandle> {
  const handle = await open(path, "w+", 0o600);
  await unlink(path);
  return handle;
}

async function takeSnapshot(
  config: ClusterConfig,
  file: FileHandle,
  signal: AbortSignal,
): Promise<void> {
  const failures: string[] = [];
  const endpoints = storeEndpoints(config);
  const tls = config.etcdFiles && { tls: readEtcdTls(config.etcdFiles) };
  for (const endpoint of endpoints) {
    using channel = connectGrpc(endpoint, tls);
    try {
      await file.truncate(0);
      let at = 0;
      for await (const { blob } of client(channel, Maintenance).snapshot({}, { signal })) {
        await file.write(blob, 0, blob.length, at);
        at += blob.length;
      }
      return;
    } catch (thrown) {
      signal.throwIfAborted();
      if (isErrno(thrown, "ENOSPC", "EDQUOT", "EIO")) throw thrown;
      failures.push(`${endpoint}: ${messageOf(thrown)}`);
    }
  }
  throw new CommandError("STORE_DOWN", `the store does not answer: ${failures.join("; ")}`, {
    remedy:
      config.etcdServers === undefined
        ? `start the cluster: r2k start --name ${config.name}`
        : etcdRemedy(endpoints),
  });
}

function headerOf({ config, now_ms }: BackupOptions): BackupHeader {
  const created = new Date(now_ms).toISOString();
  return { formatVersion: FORMAT_VERSION, version: VERSION, cluster: config.name, created };
}

function* entries(header: BackupHeader, files: TarInput[], store: number): Generator<TarInput> {
  yield { name: HEADER_NAME, content: `${JSON.stringify(header)}\n` };
  yield* files;
  for (let part = 0; ; part++) {
    const content = Buffer.alloc(STORE_PART_BYTES);
    const length = readSync(store, content, 0, content.length, part * STORE_PART_BYTES);
    if (length === 0) return;
    yield { name: storePartName(part), mode: 0o600, content: content.subarray(0, length) };
  }
}

/** Writes a file that appears under its name once it is whole, and replaces none. */
export async function writeWhole(
  file: string,
  content: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): Promise<void> {
  const partial = `${file}.partial`;
  const handle = await openNew(partial);
  try {
    for await (const chunk of content) {
      signal?.throwIfAborted();
      await handle.writeFile(chunk);
    }
    await handle.sync();
    await link(partial, file);
    await syncDirectory(dirname(file));
  } catch (thrown) {
    throw isErrno(thrown, "EEXIST") ? exists(file, thrown) : thrown;
  } finally {
    await handle.close();
    await unlink(partial);
  }
}

async function openNew(path: string): Promise<FileHandle> {
  try {
    return await open(path, "wx", 0o600);
  } catch (thrown) {
    if (isErrno(thrown, "EEXIST")) throw exists(path, thrown);
    throw new CommandError("NO_FILE", `${path} cannot be written: ${messageOf(thrown)}`, {
      cause: thrown,
      remedy: "name a file in a folder that is there",
    });
  }
}

function exists(path: string, cause: unknown): CommandError {
  return new CommandError("FILE_EXISTS", `${path} exists`, {
    cause,
    remedy: "name another file, or remove that one",
  });
}
