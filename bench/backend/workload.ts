// One engine through the store's work, in a process of its own: prints its measurements as JSON.
// Usage: node bench/backend/workload.ts ENGINE FOLDER
import { randomBytes } from "node:crypto";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import type { Backend } from "@raft2kube/store/backend/backend.ts";
import { openBackend } from "@raft2kube/store/backend/checked.ts";
import { levelBackend } from "@raft2kube/store/backend/level.ts";
import { recordKey } from "@raft2kube/store/mvcc/records/revision.ts";
import { memoryBackend } from "../../testing/store/memory-backend.ts";
import { median } from "../benchmark.ts";
import { lmdbBackend } from "./lmdb.ts";
import type { Measurements } from "./measurements.ts";

const RECORDS = 100_000;
const VALUE_BYTES = 1_024;
/** Sizes of a flush of the store under load, and without. */
const LOAD_BATCH = 400;
const SMALL_BATCH = 10;
const SMALL_BATCHES = 200;
const READS = 50_000;
const REMOVALS = 2_000;
const EVERYTHING = { from: Buffer.alloc(0), to: Buffer.alloc(64, 0xff) };

const ENGINES: Readonly<Record<string, (folder: string) => Promise<Backend> | Backend>> = {
  checked: (folder) => openBackend(folder),
  level: levelBackend,
  lmdb: lmdbBackend,
  memory: memoryBackend,
};

/** Half random, half repeated: compresses about as JSON does. */
const noise = randomBytes(8 * 1024 * VALUE_BYTES);
function valueOf(i: number, bytes: number): Buffer {
  const value = Buffer.alloc(bytes, "name: web-7d4b9, namespace: default, ");
  noise.copy(value, bytes / 2, (i * bytes) % (noise.length - bytes));
  return value;
}

const since = (start_ms: number) => performance.now() - start_ms;

async function load(backend: Backend): Promise<number> {
  const start_ms = performance.now();
  for (let from = 0; from < RECORDS; from += LOAD_BATCH) {
    const writes = Array.from({ length: LOAD_BATCH }, (_, i) => {
      return { key: recordKey(from + i, 0, false), value: valueOf(from + i, VALUE_BYTES) };
    });
    await backend.writeBatch(writes, { sync: true });
  }
  return (RECORDS / since(start_ms)) * 1000;
}

async function small(backend: Backend): Promise<number> {
  const times: number[] = [];
  for (let batch = 0; batch < SMALL_BATCHES; batch++) {
    const writes = Array.from({ length: SMALL_BATCH }, (_, i) => {
      const main = RECORDS + batch * SMALL_BATCH + i;
      return { key: recordKey(main, 0, false), value: valueOf(i, 256) };
    });
    const start_ms = performance.now();
    await backend.writeBatch(writes, { sync: true });
    times.push(since(start_ms));
  }
  return median(times);
}

function reads(backend: Backend): number {
  const random = seededRandom(1);
  const start_ms = performance.now();
  for (let i = 0; i < READS; i++) {
    const found = backend.getSync(recordKey(randomInteger(random, 0, RECORDS), 0, false));
    if (found?.length !== VALUE_BYTES) throw new Error(`read ${found?.length} bytes`);
  }
  return (since(start_ms) / READS) * 1000;
}

async function scan(backend: Backend): Promise<number> {
  const start_ms = performance.now();
  let pairs = 0;
  for await (const chunk of backend.scan(EVERYTHING)) pairs += chunk.length;
  const expected = RECORDS + SMALL_BATCHES * SMALL_BATCH;
  if (pairs !== expected) throw new Error(`${pairs} pairs of ${expected}`);
  return since(start_ms);
}

async function compact(backend: Backend): Promise<number> {
  const start_ms = performance.now();
  for (let from = 0; from < RECORDS / 2; from += REMOVALS) {
    const writes = Array.from({ length: REMOVALS }, (_, i) => {
      return { key: recordKey(from + i, 0, false), value: undefined };
    });
    await backend.writeBatch(writes, { sync: false });
  }
  await backend.compactRange(EVERYTHING);
  return since(start_ms);
}

async function main(engine: string, folder: string): Promise<Measurements> {
  const open = ENGINES[engine];
  if (!open) throw new RangeError(`engines: ${Object.keys(ENGINES).join(", ")}`);
  let backend = await open(folder);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const loaded = await load(backend);
  delay.disable();
  const flush_ms = await small(backend);
  const { total: size } = await backend.size();
  const remembers = engine !== "memory";
  const open_ms = performance.now();
  if (remembers) {
    await backend.close();
    backend = await open(folder);
  }
  await scan(backend);
  const restart_ms = since(open_ms);
  const read_us = reads(backend);
  const scan_ms = await scan(backend);
  const compact_ms = await compact(backend);
  const { total: compacted } = await backend.size();
  await backend.close();
  const { maxRSS } = process.resourceUsage();
  const MiB = 1024 * 1024;
  return {
    load_perSecond: loaded,
    flush_ms,
    blocked_ms: delay.max / 1e6,
    restart_ms,
    read_us,
    scan_ms,
    compact_ms,
    size_MiB: size / MiB,
    compacted_MiB: compacted / MiB,
    memory_MiB: maxRSS / 1024,
  };
}

process.stdout.write(JSON.stringify(await main(process.argv[2] ?? "", process.argv[3] ?? "")));
