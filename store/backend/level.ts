import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { asError, CodedError, codeOf, isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { turn } from "@raft2kube/std/slices.ts";
import { Level } from "level";
import { type Backend, type BackendPair, SCAN_CHUNK_PAIRS, type ScanRange } from "./backend.ts";
import { damageInWrite } from "./damage.ts";

const WRITE_BUFFER_BYTES = 4 * 1024 * 1024;
const BLOCK_CACHE_BYTES = 4 * 1024 * 1024;
/** Approximate bytes of a scan's chunk: LevelDB fetches at least one pair. */
const SCAN_CHUNK_BYTES = 64 * 1024;
/** Writes of a batch, and bytes of them, that one turn of the loop prepares. */
const SLICE_WRITES_MAX = 100;
const SLICE_BYTES = 256 * 1024;

/** Node's LevelDB, as `level` documents it; the types of `level` have only what browsers share. */
type NodeLevel = Level<Buffer, Buffer> & {
  compactRange(start: Buffer, end: Buffer): Promise<void>;
};

/** LevelDB in `folder`, which it locks. Rejects when another process has it. */
export async function levelBackend(folder: string): Promise<Backend> {
  const db = new Level<Buffer, Buffer>(folder, {
    keyEncoding: "buffer",
    valueEncoding: "buffer",
    writeBufferSize: WRITE_BUFFER_BYTES,
    cacheSize: BLOCK_CACHE_BYTES,
  }) as NodeLevel;
  await db.open().catch((thrown: unknown) => refuse(folder, thrown));
  type Iterating = Parameters<typeof db.iterator>[0];
  async function* scan(range: ScanRange, options: Iterating = {}) {
    const bounds = { gte: range.from, lt: range.to, highWaterMarkBytes: SCAN_CHUNK_BYTES };
    const iterator = db.iterator({ ...options, ...bounds });
    const read = () => {
      const chunk = iterator.nextv(SCAN_CHUNK_PAIRS) as Promise<BackendPair[]>;
      // A failure rejects the waiting read, if there still is one.
      chunk.catch(() => undefined);
      return chunk;
    };
    try {
      for (let next = read(); ; ) {
        const chunk = await next;
        if (chunk.length === 0) return;
        // LevelDB reads on in its own thread while this chunk is worked through.
        next = read();
        yield chunk;
      }
    } finally {
      await iterator.close();
    }
  }
  return {
    getSync(key) {
      try {
        return db.getSync(key);
      } catch (thrown) {
        throw withCode(thrown);
      }
    },
    scan: (range) => scan(range),
    async writeBatch(writes, options) {
      const batch = db.batch();
      let bytes = 0;
      for (const { key, value } of writes) {
        if (value === undefined) batch.del(key);
        else batch.put(key, value);
        bytes += value?.length ?? 0;
        if (batch.length % SLICE_WRITES_MAX > 0 && bytes < SLICE_BYTES) continue;
        bytes = 0;
        await turn();
      }
      await batch.write(options).catch((thrown: unknown) => failedWrite(folder, thrown));
    },
    snapshot() {
      const snapshot = db.snapshot();
      return { scan: (range) => scan(range, { snapshot }), close: () => snapshot.close() };
    },
    compactRange: (range) => db.compactRange(range.from, range.to),
    async size() {
      const bytes = await folderSize(folder);
      return { total: bytes, inUse: bytes };
    },
    close: () => db.close(),
  };
}

/** How LevelDB's status starts, and the code that asynchronous calls have for it. */
const STATUS_CODES = { "IO error: ": "LEVEL_IO_ERROR", "Corruption: ": "LEVEL_CORRUPTION" };

/** Synchronous reads fail with LevelDB's status as text alone: adds its code. */
function withCode(thrown: unknown): unknown {
  const message = messageOf(thrown);
  const status = Object.entries(STATUS_CODES).find(([text]) => message.startsWith(text));
  if (codeOf(thrown) !== undefined || !status) return thrown;
  return new CodedError(status[1], message, { cause: thrown });
}

/** Says what to do about a folder that cannot be opened. */
function refuse(folder: string, thrown: unknown): never {
  const damage = damageInWrite(folder, thrown);
  if (damage) throw damage;
  const cause = asError(thrown).cause ?? thrown;
  const locked = codeOf(cause) === "LEVEL_LOCKED";
  const message = locked ? "another process uses it" : messageOf(cause);
  throw new CodedError(locked ? "BACKEND_LOCKED" : "BACKEND_OPEN", `${folder}: ${message}`, {
    cause: thrown,
    remedy: locked
      ? "stop the store that runs on this data directory, or use another --data-dir"
      : FULL.test(message)
        ? FREE_DISK
        : "if its files are damaged, add this member again with an empty data directory",
  });
}

/** The texts of ENOSPC and EDQUOT, which LevelDB's status has in place of a code. */
const FULL = /No space left on device|Disk quota exceeded/;
const FREE_DISK =
  "free or replace the disk, then start the member again: what it acknowledged is safe";

/** The message names the file; what was acknowledged is in the log. */
function failedWrite(folder: string, thrown: unknown): never {
  const damage = damageInWrite(folder, thrown);
  if (damage) throw damage;
  throw new CodedError("BACKEND_WRITE", messageOf(thrown), { cause: thrown, remedy: FREE_DISK });
}

async function folderSize(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder)) {
    try {
      bytes += (await stat(join(folder, name))).size;
    } catch (thrown) {
      // A table that the engine removed since it was listed takes no space.
      if (!isErrno(thrown, "ENOENT")) throw thrown;
    }
  }
  return bytes;
}
