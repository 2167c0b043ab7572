import { createFile } from "@raft2kube/linux/file/durable-file.ts";
import { Maintenance } from "@raft2kube/proto/gen/etcd.ts";
import { client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { type TarInput, writeTar } from "@raft2kube/runtime/image/tar/write.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { Encrypter } from "age-encryption";
import { withFileErrors } from "../file-errors.ts";
import { etcdRemedy, readEtcdTls } from "../observe/etcd-servers.ts";
import { type ClusterConfig, startCommand } from "../spec/config.ts";
import { storeEndpoints } from "../spec/store.ts";
import { CommandError } from "../terminal.ts";
import { VERSION } from "../version.ts";
import { FORMAT_VERSION, HEADER_NAME, readFiles, storePartName } from "./contents.ts";
import { SCRYPT_LOG_N } from "./limits.ts";

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
 * age's format (age-encryption.org/v1): scrypt, then ChaCha20-Poly1305 over chunks of 64 KiB, so
 * that a change, a cut and a swap are detected. The file appears whole or not at all. Throws
 * CommandError `STORE_DOWN` if no member of the store answers, `BACKUP_FILE`, `ETCD_FILES`,
 * `FILE_EXISTS`, `NO_FILE`, `DISK_FULL`; and the signal's reason once it is aborted.
 */
export async function createBackup(options: BackupOptions): Promise<void> {
  await withFileErrors(options.file, () => createFile(options.file, encrypted(options)));
}

/** Reads nothing before its own start: a stream that is left would hold the store's view. */
async function* encrypted(options: BackupOptions): AsyncGenerator<Uint8Array> {
  const { passphrase, scryptLogN = SCRYPT_LOG_N } = options;
  const encrypter = new Encrypter();
  encrypter.setScryptWorkFactor(scryptLogN);
  encrypter.setPassphrase(passphrase);
  // A stream of Readable.toWeb ends the process with an error when it is canceled while it ends.
  yield* await encrypter.encrypt(ReadableStream.from<Buffer>(writeTar(entries(options))));
}

async function* entries({ config, now_ms, signal }: BackupOptions): AsyncGenerator<TarInput> {
  const created = new Date(now_ms).toISOString();
  const header = { formatVersion: FORMAT_VERSION, version: VERSION, cluster: config.name, created };
  yield { name: HEADER_NAME, content: `${JSON.stringify(header)}\n` };
  yield* await readFiles(config.dataDir);
  yield* storeParts(config, signal);
}

/** The snapshot of the first member of the store that answers, in the parts in which it comes. */
async function* storeParts(config: ClusterConfig, signal: AbortSignal): AsyncGenerator<TarInput> {
  const failures: string[] = [];
  const endpoints = storeEndpoints(config);
  const tls = config.etcdFiles && { tls: readEtcdTls(config.etcdFiles) };
  for (const endpoint of endpoints) {
    using channel = connectGrpc(endpoint, tls);
    let part = 0;
    try {
      for await (const { blob: content } of client(channel, Maintenance).snapshot({}, { signal })) {
        yield { name: storePartName(part++), mode: 0o600, content };
      }
      return;
    } catch (cause) {
      signal.throwIfAborted();
      failures.push(`${endpoint}: ${messageOf(cause)}`);
      if (part === 0) continue;
      const what = `the store's snapshot broke off: ${failures.at(-1)}`;
      throw new CommandError("STORE_DOWN", what, { remedy: "repeat this", cause });
    }
  }
  const start = `start the cluster: ${startCommand(config)}`;
  throw new CommandError("STORE_DOWN", `the store does not answer: ${failures.join("; ")}`, {
    remedy: config.etcdServers === undefined ? start : etcdRemedy(endpoints),
  });
}
