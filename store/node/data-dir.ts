import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { CodedError } from "@raft2kube/std/errors.ts";

/** Names that a release up to this one gives in a member's folder. */
const OWN = /^(db(-[0-9a-f]{16})?|wal|snap|index(\.part)?|open|reserve)$/;
const DATABASE = /^db/;
/** etcd's names of its log's segments: sequence and first index. */
const ETCD_SEGMENT = /^[0-9a-f]{16}-[0-9a-f]{16}\.wal$/;

/** Whether a member of this store has its state in a data directory. */
export function hasDatabase(dataDir: string): boolean {
  return namesIn(join(dataDir, "member")).some((name) => DATABASE.test(name));
}

/**
 * Throws for a data directory that is etcd's, or that another program or a later release has made:
 * a member would start there with nothing, as if the data did not exist. Changes nothing.
 */
export function refuseForeign(dataDir: string, walDir = join(dataDir, "member", "wal")): void {
  const db = join(dataDir, "member", "snap", "db");
  const segment = namesIn(walDir).find((name) => ETCD_SEGMENT.test(name));
  const etcds = existsSync(db) ? db : segment && join(walDir, segment);
  if (etcds) {
    throw new CodedError("DATA_DIR_OF_ETCD", `${dataDir} is etcd's data directory: ${etcds}`, {
      remedy: `stop etcd, then: r2k store import ${db} --data-dir DIR, and start on DIR`,
    });
  }
  if (hasDatabase(dataDir)) return;
  const unknown = namesIn(join(dataDir, "member")).find((name) => !OWN.test(name));
  if (unknown === undefined) return;
  const path = join(dataDir, "member", unknown);
  throw new CodedError("DATA_DIR_FOREIGN", `${dataDir} is of another program or release: ${path}`, {
    remedy: "start the release that made it, or name another directory",
  });
}

const namesIn = (folder: string): string[] =>
  existsSync(folder) ? readdirSync(folder).sort() : [];
