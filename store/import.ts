import { existsSync, mkdirSync, readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { openBbolt } from "@raft2kube/bbolt/read.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { CodedError, isErrno, messageOf } from "@raft2kube/std/errors.ts";
import type { BackendWrite } from "./backend/backend.ts";
import { openBackend } from "./backend/checked.ts";
import { fillBackend, type ImportSummary } from "./bbolt/fill-backend.ts";
import { encodeMeta, META_KEY } from "./mvcc/persist/flush/meta.ts";
import { encodeMember, memberKey } from "./mvcc/state/cluster/members.ts";
import { type Bootstrap, bootstrap, type ClusterOptions } from "./node/bootstrap.ts";
import { beginLog } from "./node/open.ts";
import { renameDurably } from "./snapshot/write.ts";
import { machineDisk } from "./wal/disk.ts";
import { Wal } from "./wal/wal.ts";

export interface ImportOptions {
  /** A snapshot of etcd's or ours, or the db file of a stopped etcd member. */
  file: string;
  /** Data directory, created by the import; must be empty. */
  dataDir: string;
  name: string;
  clusterToken: string;
  /** The members of the new cluster; each imports the same file. Without it, a cluster of one. */
  cluster?: ClusterOptions;
}

export interface Imported extends ImportSummary {
  /** Whether a SHA-256 in the file vouched for it. */
  hasDigest: boolean;
}

/**
 * Makes the data directory of a new cluster's member from a bbolt file of etcd's: all revisions,
 * leases, users as they were. It is made aside and renamed, so that what is there is whole.
 */
export async function importSnapshot(options: ImportOptions): Promise<Imported> {
  const { dataDir, file: path } = options;
  refuseUsed(dataDir);
  const file = await openBbolt(path).catch((thrown: unknown) => refuseUnreadable(path, thrown));
  const aside = `${dataDir}.importing`;
  try {
    const { name, clusterToken: token, cluster } = options;
    const fetchMembers = () => Promise.resolve(undefined);
    const born = await bootstrap({ name, token, cluster, tls: undefined, fetchMembers });
    rmSync(aside, { recursive: true, force: true });
    mkdirSync(join(aside, "member"), { recursive: true, mode: 0o700 });
    const backend = await openBackend(join(aside, "member", "db"));
    let summary: ImportSummary;
    try {
      summary = await fillBackend(path, file, backend);
      await backend.writeBatch(birthWrites(born, summary), { sync: true });
    } finally {
      await backend.close();
    }
    await makeLog(aside, born);
    rmSync(dataDir, { recursive: true, force: true });
    mkdirSync(dirname(dataDir), { recursive: true });
    await renameDurably(aside, dataDir);
    return { ...summary, hasDigest: file.hasDigest };
  } catch (thrown) {
    rmSync(aside, { recursive: true, force: true });
    throw thrown;
  } finally {
    await file.close();
  }
}

function refuseUsed(dataDir: string): void {
  if (!existsSync(dataDir) || readdirSync(dataDir).length === 0) return;
  throw new CodedError("DATA_DIR_USED", `${dataDir} is not empty`, {
    remedy: "name a directory that is not there yet, or move that one away",
  });
}

function refuseUnreadable(path: string, thrown: unknown): never {
  if (!isErrno(thrown, "ENOENT", "EACCES", "EISDIR")) throw thrown;
  const remedy = "name a file of etcdctl snapshot save, or a stopped member's member/snap/db";
  throw new CodedError("NO_FILE", `${path} cannot be read: ${messageOf(thrown)}`, { remedy });
}

/** Writes of the member's identity, and last the state record, which makes the backend complete. */
function birthWrites(born: Bootstrap, summary: ImportSummary): BackendWrite[] {
  const { identity, membership, members, base } = born;
  const { revision, compactRevision, compactedRevision } = summary;
  const meta = encodeMeta({
    ...identity,
    membership,
    appliedIndex: base.index,
    appliedTerm: base.term,
    ...{ revision, compactRevision, compactedRevision },
  });
  return [
    ...members.map((member) => ({ key: memberKey(member.ID), value: encodeMember(member) })),
    { key: META_KEY, value: meta },
  ];
}

/** The log starts where a new cluster's does. */
async function makeLog(dataDir: string, born: Bootstrap): Promise<void> {
  let failure: Error | undefined;
  const onFatal = (reason: Error) => (failure = reason);
  const disk = machineDisk(join(dataDir, "member", "wal"));
  const { identity } = born;
  const { wal, recovered } = Wal.open({ disk, identity, clock: systemClock(), onFatal });
  await beginLog(wal, recovered, born);
  await wal.close();
  if (failure) throw failure;
}
