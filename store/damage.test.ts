import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, expect, test } from "vitest";
import { configureLog } from "@raft2kube/observe/log.ts";
import { type Store, startStore } from "./main.ts";

let dataDir: string;
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "r2k-damage-"));
});
afterEach(() => rmSync(dataDir, { recursive: true }));

const name = (i: number) => Buffer.from(`key-${i}`);
const KEYS = 40;
// More than memory keeps of recent revisions, so that reads come from the database.
const VALUE_BYTES = 512 * 1024;

async function filled(onFatal: (reason: unknown) => void): Promise<Store> {
  const store = await startStore({ dataDir, onFatal });
  for (let i = 0; i < KEYS; i++) {
    await store.client.put({ key: name(i), value: randomBytes(VALUE_BYTES) });
  }
  return store;
}

/** Overwrites a part of each table, as a failing disk might. */
function damageTables(): void {
  const folder = join(dataDir, "member", "db");
  for (const table of readdirSync(folder).filter((each) => each.endsWith(".ldb"))) {
    const path = join(folder, table);
    const fd = openSync(path, "r+");
    writeSync(fd, Buffer.alloc(1_000, 0xa5), 0, 1_000, Math.floor(statSync(path).size / 2));
    closeSync(fd);
  }
}

test("S8: a member ends when its database gives back other bytes than were written", async () => {
  const fatal: unknown[] = [];
  const first = await filled(() => undefined);
  await first.close();
  const store = await startStore({ dataDir, onFatal: (reason) => fatal.push(reason) });
  damageTables();
  const reads = Array.from({ length: KEYS }, (_, i) =>
    store.client.range({ key: name(i), serializable: true }).then(
      ({ kvs }) => kvs[0]!.value.length,
      () => "refused",
    ),
  );
  expect(await Promise.all(reads)).toContain("refused");
  expect(fatal).toHaveLength(1);
  expect(fatal[0]).toMatchObject({ code: "BACKEND_DAMAGED" });
  expect((fatal[0] as { remedy: string }).remedy).toContain("add it again");
  // It has ended: nothing more is served, damaged or not.
  await expect(store.client.range({ key: name(0), serializable: true })).rejects.toThrow("stopped");
  await store.close().catch(() => undefined);
});

test("S8: with a damaged database a member does not start", async () => {
  const store = await filled(() => undefined);
  await store.close();
  // As after a crash: only a clean stop leaves the index.
  rmSync(join(dataDir, "member", "index"));
  damageTables();
  await expect(startStore({ dataDir })).rejects.toMatchObject({ code: "BACKEND_DAMAGED" });
});

// LevelDB may end the process by an assertion where a table is damaged, without a word of use.
test("S10: a start says what it means that the one before ended over the database", async () => {
  const warnings: string[] = [];
  // A busy machine has others to give.
  const told = "the last process ended while it read its database";
  const write = (line: string) => void (line.includes(told) && warnings.push(line));
  configureLog({ level: "warn", stream: { write } });
  const mark = join(dataDir, "member", "opening");
  try {
    await (await startStore({ dataDir })).close();
    expect(existsSync(mark)).toBe(false);
    expect(warnings).toEqual([]);
    writeFileSync(mark, "");
    await (await startStore({ dataDir })).close();
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toContain("the database is damaged: with other members healthy, remove");
    expect(existsSync(mark)).toBe(false);
  } finally {
    configureLog({});
  }
});

test("S8: after a clean stop a damaged database is found without being asked for", async () => {
  const store = await filled(() => undefined);
  await store.close();
  damageTables();
  const found = Promise.withResolvers<unknown>();
  const second = await startStore({ dataDir, onFatal: found.resolve });
  expect(await found.promise).toMatchObject({ code: "BACKEND_DAMAGED" });
  await second.close().catch(() => undefined);
  expect(existsSync(join(dataDir, "member", "index"))).toBe(false);
});
