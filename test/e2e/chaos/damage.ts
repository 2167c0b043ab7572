import { closeSync, existsSync, openSync, readdirSync, readFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { KeyValue } from "@raft2kube/proto/gen/etcd.ts";
import { pick, type Random, randomInteger } from "@raft2kube/std/random.ts";
import type { BackendWrite } from "@raft2kube/store/backend/backend.ts";
import { bucket } from "@raft2kube/store/mvcc/persist/restore/restore.ts";
import { Backends } from "@raft2kube/store/node/backends.ts";

/** The files of a member that may be damaged. */
export const DAMAGED = ["log", "backend", "snapshot"] as const;
export type DamagedFile = (typeof DAMAGED)[number];

/** Flips one bit in what a stopped member has written. False when there is no such file. */
export function flipBit(dataDir: string, kind: DamagedFile, random: Random): boolean {
  const file = pickFile(join(dataDir, "member"), kind, random);
  if (file === undefined) return false;
  const bytes = readFileSync(file);
  const used = bytes.length - trailingZeros(bytes);
  if (used === 0) return false;
  const at = randomInteger(random, 0, used);
  const fd = openSync(file, "r+");
  writeSync(fd, Buffer.from([bytes[at]! ^ (1 << randomInteger(random, 0, 8))]), 0, 1, at);
  closeSync(fd);
  return true;
}

function pickFile(member: string, kind: DamagedFile, random: Random): string | undefined {
  const folder = kind === "log" ? "wal" : kind === "snapshot" ? "snap" : backendFolder(member);
  const path = join(member, folder);
  if (!existsSync(path)) return undefined;
  const wanted = kind === "backend" ? /\.ldb$|\.log$/ : kind === "log" ? /\.wal$/ : /./;
  const files = readdirSync(path).filter((name) => wanted.test(name));
  return files.length > 0 ? join(path, pick(random, files)) : undefined;
}

function backendFolder(member: string): string {
  const folders = existsSync(member) ? readdirSync(member) : [];
  return (
    folders
      .filter((name) => /^db/.test(name))
      .sort()
      .at(-1) ?? "db"
  );
}

function trailingZeros(bytes: Buffer): number {
  let zeros = 0;
  while (zeros < bytes.length && bytes[bytes.length - 1 - zeros] === 0) zeros++;
  return zeros;
}

/**
 * Changes the newest value in a stopped member's database, and its checksum with it: only the other
 * members know better. False when there is none.
 */
export async function falsify(dataDir: string): Promise<boolean> {
  const { backend } = await new Backends(dataDir).openNewest();
  try {
    let newest: BackendWrite | undefined;
    for await (const chunk of backend.scan(bucket("key"))) {
      for (const [key, bytes] of chunk) {
        const kv = KeyValue.decode(bytes);
        const value = KeyValue.encode({ ...kv, value: Buffer.from("another") });
        if (kv.value.length > 0) newest = { key, value };
      }
    }
    if (!newest) return false;
    // A record is written once: this one goes before another takes its place.
    const removal = { key: newest.key, value: undefined };
    await backend.writeBatch([removal, newest], { sync: true });
    return true;
  } finally {
    await backend.close();
  }
}
