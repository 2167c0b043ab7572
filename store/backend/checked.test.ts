import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { BackendPair } from "./backend.ts";
import { openBackend } from "./checked.ts";
import { BackendDamagedError } from "./damage.ts";
import { BACKEND_FORMAT_VERSION, MARK_NAME, encodeMark } from "./format-mark.ts";
import { levelBackend } from "./level.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "r2k-checked-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

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
      // What LevelDB passes over in silence is missing, never wrong: others' hashes tell.
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

test("S8: a value that lies under another key is refused, and told to the member", async () => {
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
  const told = `database format ${next}; this release reads up to ${known}`;
  await expect(openBackend(folder)).rejects.toThrow(told);
  writeFileSync(mark, "something else");
  await expect(openBackend(folder)).rejects.toThrow(BackendDamagedError);
});
