import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { memoryBackend } from "../../testing/store/memory-backend.ts";
import type { Backend, BackendPair, ScanRange } from "./backend.ts";
import { openBackend } from "./checked.ts";
import { levelBackend } from "./level.ts";

const key = (text: string) => Buffer.from(text, "latin1");
const put = (name: string, value: string) => ({ key: key(name), value: key(value) });
const everything: ScanRange = { from: key(""), to: key("\xff") };

async function all(pairs: AsyncIterable<BackendPair[]>): Promise<string[]> {
  const found: string[] = [];
  for await (const chunk of pairs) {
    for (const [name, value] of chunk) found.push(`${name.toString("latin1")}=${value}`);
  }
  return found;
}

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function temporary(open: (folder: string) => Promise<Backend>): Promise<Backend> {
  const folder = mkdtempSync(join(tmpdir(), "r2k-level-"));
  folders.push(folder);
  return open(folder);
}

describe.each([
  ["level", () => temporary(levelBackend)],
  ["level with checksums", () => temporary(openBackend)],
  ["memory", () => Promise.resolve(memoryBackend())],
])("%s", (_name, open) => {
  test("a batch is read again, removals included", async () => {
    const backend = await open();
    await backend.writeBatch([put("a", "1"), put("b", "2")], { sync: true });
    const removal = { key: key("a"), value: undefined };
    await backend.writeBatch([removal, put("c", "3")], { sync: false });
    expect(backend.getSync(key("a"))).toBeUndefined();
    expect(backend.getSync(key("b"))).toEqual(key("2"));
    expect(await all(backend.scan(everything))).toEqual(["b=2", "c=3"]);
    await backend.close();
  });

  test("a scan is in order of bytes, from its first key to before its last", async () => {
    const backend = await open();
    const names = ["a", "a\x00", "a\x80", "b", "\x80", "\xfe"];
    await backend.writeBatch(
      names.map((name) => put(name, "x")),
      { sync: false },
    );
    const found = await all(backend.scan({ from: key("a\x00"), to: key("\xfe") }));
    expect(found).toEqual(["a\x00=x", "a\x80=x", "b=x", "\x80=x"]);
    await backend.close();
  });

  test("a snapshot does not see what comes after it", async () => {
    const backend = await open();
    await backend.writeBatch([put("a", "1")], { sync: false });
    const snapshot = backend.snapshot();
    await backend.writeBatch([put("a", "2"), put("b", "2")], { sync: false });
    expect(await all(snapshot.scan(everything))).toEqual(["a=1"]);
    await snapshot.close();
    await backend.close();
  });

  test("a scan that is left early lets the database be closed", async () => {
    const backend = await open();
    const names = Array.from({ length: 2_500 }, (_, i) => String(i).padStart(5, "0"));
    await backend.writeBatch(
      names.map((name) => put(name, "")),
      { sync: false },
    );
    for await (const [first] of backend.scan(everything)) {
      expect(first![0]).toEqual(key("00000"));
      break;
    }
    expect(await all(backend.scan({ from: key("02498"), to: key("\xff") }))).toHaveLength(2);
    await backend.close();
  });

  test("a scan of many pairs comes whole", async () => {
    const backend = await open();
    const names = Array.from({ length: 2_500 }, (_, i) => String(i).padStart(5, "0"));
    await backend.writeBatch(
      names.map((name) => put(name, "")),
      { sync: false },
    );
    expect((await all(backend.scan(everything))).length).toBe(2_500);
    expect((await backend.size()).total).toBeGreaterThan(0);
    await backend.compactRange(everything);
    await backend.close();
  });
});

test("a large batch is prepared over several turns of the loop, and written whole", async () => {
  const backend = await temporary(openBackend);
  let turns = 0;
  const count = () => {
    turns++;
    counting = setImmediate(count);
  };
  let counting = setImmediate(count);
  const inTurn = new Map<number, number>();
  function* writes() {
    for (let i = 0; i < 1_000; i++) {
      inTurn.set(turns, (inTurn.get(turns) ?? 0) + 1);
      yield put(`k/${String(i).padStart(4, "0")}`, "x");
    }
  }
  const written = backend.writeBatch(writes(), { sync: false });
  expect(await all(backend.snapshot().scan(everything))).toEqual([]);
  await written;
  clearImmediate(counting);
  expect(Math.max(...inTurn.values())).toBeLessThanOrEqual(200);
  expect(await all(backend.scan(everything))).toHaveLength(1_000);
  await backend.close();
});
