import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import {
  type Backend,
  type BackendPair,
  SCAN_CHUNK_PAIRS,
  type ScanRange,
} from "@raft2kube/store/backend/backend.ts";

const VERSION = "3.5.6";
const FOLDER = join(import.meta.dirname, "../../.cache/bench/lmdb");

/**
 * The functions used of the package `lmdb`: it is installed elsewhere, so its own types are not
 * available.
 */
interface Lmdb {
  getBinary(key: Buffer): Buffer | undefined;
  getRange(options: object): Iterable<{ key: Buffer; value: Buffer }>;
  put(key: Buffer, value: Buffer): unknown;
  remove(key: Buffer): unknown;
  transaction(act: () => void): Promise<unknown>;
  useReadTransaction(): { done(): void };
  readonly flushed: Promise<unknown>;
  close(): Promise<void>;
}

/**
 * Installs the package beside the product, whose lock file it is no part of: `npm ci` would refuse
 * where a registry lacks one of its platforms. Returns why it could not be installed.
 */
export function installLmdb(): string | undefined {
  if (existsSync(join(FOLDER, "node_modules/lmdb/package.json"))) return undefined;
  mkdirSync(FOLDER, { recursive: true });
  const args = ["install", "--no-save", "--no-audit", "--no-fund", "--prefix", FOLDER];
  const npm = spawnSync("npm", [...args, `lmdb@${VERSION}`], { encoding: "utf8", cwd: FOLDER });
  if (npm.status === 0) return undefined;
  return npm.error?.message ?? npm.stderr.trim().split("\n").at(-1) ?? "npm failed";
}

/** LMDB behind the store's seam, as far as the comparison needs it. */
export function lmdbBackend(folder: string): Backend {
  const require = createRequire(join(FOLDER, "package.json"));
  const { open } = require("lmdb") as { open: (options: object) => Lmdb };
  const path = join(folder, "data.mdb");
  const db = open({ path, keyEncoding: "binary", encoding: "binary", compression: false });
  async function* scan({ from, to }: ScanRange, transaction?: object) {
    let chunk: BackendPair[] = [];
    for (const { key, value } of db.getRange({ start: from, end: to, transaction })) {
      chunk.push([key, value]);
      if (chunk.length < SCAN_CHUNK_PAIRS) continue;
      yield chunk;
      chunk = [];
    }
    if (chunk.length > 0) yield chunk;
  }
  const size = () => Promise.resolve({ total: statSync(path).size, inUse: statSync(path).size });
  return {
    getSync: (key) => db.getBinary(key),
    scan: (range) => scan(range),
    async writeBatch(writes, { sync }) {
      await db.transaction(() => {
        for (const { key, value } of writes) {
          if (value) void db.put(key, value);
          else void db.remove(key);
        }
      });
      if (sync) await db.flushed;
    },
    snapshot() {
      const transaction = db.useReadTransaction();
      return {
        scan: (range) => scan(range, transaction),
        close: () => Promise.resolve(transaction.done()),
      };
    },
    // Its file never becomes smaller: free pages are used again.
    compactRange: () => Promise.resolve(),
    size,
    close: () => db.close(),
  };
}
