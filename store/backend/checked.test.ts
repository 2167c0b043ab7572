import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { memoryBackend } from "../../testing/store/memory-backend.ts";
import type { BackendPair } from "./backend.ts";
import { CheckedBackend, openBackend } from "./checked.ts";
import { BackendDamagedError } from "./damage.ts";
import { BACKEND_FORMAT_VERSION, encodeMark, MARK_NAME } from "./format-mark.ts";
import { levelBackend } from "./level.ts";

let folder: string;
beforeEach(() => {
  folder = testFolder("r2k-checked-");
});

const key = (text: string) => Buffer.from(text, "latin1");
const everything = { from: key(""), to: Buffer.alloc(64, 0xff) };
const PAIRS = 200;

async function fill(): Promise<void> {
  const backend = await openBackend(folder);
  const writes = Array.from({ length: PAIRS }, (_, i) => {
    return { key: key(`key-${i}`), value: Buffer.alloc(100, i) };
  });
  await backend.writeBatch(writes, { sync: true });
  await backend.compactRange(everything);
  await backend.close();
}

async function all(pairs: AsyncIterable<BackendPair[]>): Promise<BackendPair[]> {
  const found: BackendPair[] = [];
  for await (const chunk of pairs) found.push(...chunk);
  return found;
}

test("S8: no bit of the tables can change and be served", async () => {
  await fill();
  const table = readdirSync(folder).find((name) => name.endsWith(".ldb"))!;
  const right = readFileSync(join(folder, table));
  const random = seededRandom(5);
  let noticed = 0;
  for (let round = 0; round < 60; round++) {
    const wrong = Buffer.from(right);
    wrong[randomInteger(random, 0, wrong.length)]! ^= 1 << randomInteger(random, 0, 8);
    writeFileSync(join(folder, table), wrong);
    const damage: BackendDamagedError[] = [];
    const seen = await openBackend(folder, (reason) => damage.push(reason))
      .then(async (backend) => {
        try {
          return await all(backend.scan(everything));
        } finally {
          await backend.close();
        }
      })
      .catch((thrown: unknown) => thrown);
    if (Array.isArray(seen)) {
      // Records that LevelDB skips silently are missing, never wrong: other members' hashes differ.
      for (const [name, value] of seen as BackendPair[]) {
        const i = Number(name.toString().slice(4));
        expect(value, `round ${round}`).toEqual(Buffer.alloc(100, i));
      }
      if (seen.length < PAIRS) noticed++;
      continue;
    }
    noticed++;
    const { code } = seen as { code: string };
    expect(["BACKEND_DAMAGED", "BACKEND_OPEN"], `round ${round}: ${String(seen)}`).toContain(code);
    expect(damage.length).toBeLessThan(2);
  }
  expect(noticed).toBeGreaterThan(30);
});

test("S8: a value under another key is refused, and reported to the member", async () => {
  await fill();
  const raw = await levelBackend(folder);
  const value = raw.getSync(key("key-1"))!;
  await raw.writeBatch([{ key: key("key-2"), value }], { sync: true });
  await raw.close();
  const damage: BackendDamagedError[] = [];
  const backend = await openBackend(folder, (reason) => damage.push(reason));
  expect(backend.getSync(key("key-1"))).toEqual(Buffer.alloc(100, 1));
  expect(() => backend.getSync(key("key-2"))).toThrow(BackendDamagedError);
  expect(damage.map(({ remedy }) => remedy)).toEqual([expect.stringContaining("add it again")]);
  const view = backend.snapshot();
  await expect(all(view.scan(everything))).rejects.toThrow(BackendDamagedError);
  await view.close();
  await backend.close();
});

test("a database of format 1 opens as it is; a later format is refused, naming both", async () => {
  const old = await levelBackend(folder);
  await old.writeBatch([{ key: key("a"), value: key("1") }], { sync: true });
  await old.close();
  const opened = await openBackend(folder);
  expect(opened.getSync(key("a"))).toEqual(key("1"));
  await opened.writeBatch([{ key: key("b"), value: key("2") }], { sync: true });
  await opened.close();
  const again = await openBackend(folder);
  expect(again.getSync(key("b"))).toEqual(key("2"));
  await again.close();

  rmSync(folder, { recursive: true });
  await fill();
  const mark = join(folder, MARK_NAME);
  writeFileSync(mark, encodeMark(BACKEND_FORMAT_VERSION + 1));
  const [next, known] = [BACKEND_FORMAT_VERSION + 1, BACKEND_FORMAT_VERSION];
  const reported = `database format ${next}; this release reads up to ${known}`;
  await expect(openBackend(folder)).rejects.toThrow(reported);
  writeFileSync(mark, "something else");
  await expect(openBackend(folder)).rejects.toThrow(BackendDamagedError);
});

const BUCKET = { from: key("key/"), to: key("key0") };
const record = (i: number) => key(`key/${String(i).padStart(4, "0")}`);
const BATCHES = 60;

/** One batch after the other, in LevelDB's own log: nothing is in a table yet. */
async function fillLog(): Promise<string> {
  const backend = await openBackend(folder);
  for (let i = 0; i < BATCHES; i++) {
    const lease = { key: key("lease/1"), value: Buffer.from(`renewed ${i}`) };
    const writes = [{ key: record(i), value: Buffer.alloc(1_000, i) }, lease];
    await backend.writeBatch(writes, { sync: true });
  }
  await backend.close();
  return readdirSync(folder).find((name) => name.endsWith(".log"))!;
}

test("S8: a batch lost within LevelDB's log is noticed, unless all behind it is", async () => {
  const log = await fillLog();
  const right = readFileSync(join(folder, log));
  const random = seededRandom(6);
  let noticed = 0;
  for (let round = 0; round < 40; round++) {
    const copy = mkdtempSync(join(tmpdir(), "r2k-checked-copy-"));
    cpSync(folder, copy, { recursive: true });
    const wrong = Buffer.from(right);
    wrong[randomInteger(random, 0, wrong.length)]! ^= 1 << randomInteger(random, 0, 8);
    writeFileSync(join(copy, log), wrong);
    const damage: BackendDamagedError[] = [];
    const backend = await openBackend(copy, (reason) => damage.push(reason));
    const found = await all(backend.scan(BUCKET)).catch((thrown: unknown) => thrown);
    await backend.close();
    rmSync(copy, { recursive: true });
    if (found instanceof BackendDamagedError) {
      expect(damage).toEqual([found]);
      noticed++;
      continue;
    }
    const keys = (found as BackendPair[]).map(([each]) => each.toString("latin1"));
    expect(keys).toEqual(keys.map((_, i) => record(i).toString("latin1")));
  }
  expect(noticed).toBeGreaterThan(0);
});

test("the inventory follows overwrites and removals, and is hidden from readers", async () => {
  await fillLog();
  const backend = await openBackend(folder);
  const removals = [1, 5, 7].map((i) => ({ key: record(i), value: undefined }));
  const lease = key("lease/1");
  const twice = [
    { key: lease, value: key("x") },
    { key: lease, value: undefined },
  ];
  await Promise.all([
    backend.writeBatch(removals, { sync: false }),
    backend.writeBatch([...twice, { key: key("lease/2"), value: key("y") }], { sync: true }),
  ]);
  await backend.close();
  const again = await openBackend(folder);
  expect(await all(again.scan(BUCKET))).toHaveLength(BATCHES - removals.length);
  expect(await all(again.scan({ from: key("lease/"), to: key("lease0") }))).toHaveLength(1);
  const names = (await all(again.scan(everything))).map(([each]) => each.toString("latin1"));
  expect(names).toHaveLength(BATCHES - removals.length + 1);
  await again.close();
});

test.each([
  ["level", () => levelBackend(folder)],
  ["memory", () => Promise.resolve(memoryBackend())],
])("a scan of all that begins while a batch is on its way is right: %s", async (_, raw) => {
  const damage: unknown[] = [];
  const backend = new CheckedBackend(await raw(), folder, (reason) => damage.push(reason));
  backend.keepInventory();
  for (let i = 0; i < 10; i++) {
    const written = backend.writeBatch([{ key: record(i), value: key("x") }], { sync: false });
    expect((await all(backend.scan(BUCKET))).length).toBeGreaterThanOrEqual(i);
    await written;
  }
  expect(damage).toEqual([]);
  await backend.close();
});

test("S10: a write that fails over a damaged table names the damage", async () => {
  await fill();
  for (const table of readdirSync(folder).filter((each) => each.endsWith(".ldb"))) {
    const path = join(folder, table);
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.fill(0xff, 0, bytes.length >> 1));
  }
  const backend = await levelBackend(folder);
  const writes = [
    { key: key("key-0"), value: key("x") },
    { key: key("key-99"), value: key("y") },
  ];
  await backend.writeBatch(writes, { sync: true });
  // Tables are compacted after it; a failure there is reported to the next write.
  await backend.compactRange(everything);
  const refusal = { code: "BACKEND_DAMAGED", remedy: expect.stringContaining("add it again") };
  await expect(backend.writeBatch(writes, { sync: true })).rejects.toMatchObject(refusal);
  await backend.close();
});

test("S10: a batch that cannot read what it takes the place of names the damage", async () => {
  const real = memoryBackend();
  const message = "IO error: db/000009.ldb: Invalid argument";
  let cut = false;
  const getSync = (name: Buffer) => {
    if (cut) throw Object.assign(new Error(message), { code: "LEVEL_IO_ERROR" });
    return real.getSync(name);
  };
  const damage: unknown[] = [];
  const reported = (reason: unknown) => damage.push(reason);
  const backend = new CheckedBackend({ ...real, getSync }, folder, reported);
  backend.keepInventory();
  cut = true;
  const batch = backend.writeBatch([{ key: key("lease/1"), value: key("x") }], { sync: true });
  await expect(batch).rejects.toThrow(BackendDamagedError);
  expect(damage).toHaveLength(1);
});

test("S10: a single read of a table that was cut short names the damage", async () => {
  await fill();
  for (const table of readdirSync(folder).filter((each) => each.endsWith(".ldb"))) {
    truncateSync(join(folder, table), 1_000);
  }
  const damage: unknown[] = [];
  const raw = await levelBackend(folder);
  const backend = new CheckedBackend(raw, folder, (reason) => damage.push(reason));
  expect(() => backend.getSync(key("key-5"))).toThrow(BackendDamagedError);
  expect(damage).toHaveLength(1);
  await backend.close();
});
