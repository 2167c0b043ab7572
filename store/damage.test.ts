import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { configureLog } from "@raft2kube/observe/log.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../testing/folders.ts";
import { REBUILD } from "./backend/damage.ts";
import { type Store, startStore } from "./main.ts";

let dataDir: string;
beforeEach(() => {
  dataDir = testFolder("r2k-damage-");
});

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

/** Returns a start's warnings with their remedies; a busy machine has others too. */
async function warningsOf(act: () => Promise<void>): Promise<string[]> {
  const warnings: string[] = [];
  const write = (line: string) => void (line.includes("the last process") && warnings.push(line));
  configureLog({ level: "warn", stream: { write } });
  try {
    await act();
  } finally {
    configureLog({});
  }
  return warnings;
}

const startAndClose = async () => (await startStore({ dataDir })).close();

// LevelDB may end the process by an assertion where a table is damaged, without a word of use.
test.each([
  ["reading", "the last process ended while it read its database"],
  ["running", "the last process ended without closing its database"],
])("S10: a start says what it means that the one before ended while %s", async (at, said) => {
  const mark = join(dataDir, "member", "open");
  expect(await warningsOf(startAndClose)).toEqual([]);
  expect(existsSync(mark)).toBe(false);
  writeFileSync(mark, at);
  const warnings = await warningsOf(startAndClose);
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toContain(said);
  expect(warnings[0]).toContain("the database is damaged: with other members healthy, remove");
  expect(warnings[0]).toContain(join(dataDir, "member"));
  expect(existsSync(mark)).toBe(false);
});

/** Runs a store that writes and compacts until it ends. Returns what it printed, to the last. */
async function busyStore(onUp: () => void): Promise<string> {
  const program = join(import.meta.dirname, "testing", "busy-store.ts");
  const child = spawn(process.execPath, [program, dataDir], { stdio: ["ignore", "pipe", 2] });
  let said = "";
  child.stdout!.on("data", (chunk: Buffer) => {
    if (!said.includes("up\n") && `${said}${chunk}`.includes("up\n")) onUp();
    said += chunk;
  });
  // Its end is known before the last of its output is read: "close" comes after both.
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  return `${said}${signal ?? code}`;
}

/** A table that the member has merged into another meanwhile is gone. */
function cutShort(table: string): void {
  try {
    truncateSync(table, 1_000);
  } catch (thrown) {
    if (!isErrno(thrown, "ENOENT")) throw thrown;
  }
}

// A table is mapped into memory: where it is cut short, the kernel ends the process by SIGBUS, and
// LevelDB may by an assertion. Then each start says so, until one finds the damage itself; a table
// that was cut before it became part of the database is none.
test("S10: the folder and what to do are said of tables cut under a running member", async () => {
  const folder = join(dataDir, "member", "db");
  const cut = () => {
    for (const name of existsSync(folder) ? readdirSync(folder) : []) {
      if (name.endsWith(".ldb")) cutShort(join(folder, name));
    }
  };
  let cutting: NodeJS.Timeout | undefined;
  const start = () => busyStore(() => (cutting ??= setInterval(cut, 20)));
  try {
    let said = await start();
    while (!said.includes("ended: ")) {
      said = await start();
      expect(said).toContain("the last process ended w");
      expect(said).toContain(join(dataDir, "member"));
      expect(said).toContain(REBUILD);
    }
    // OPEN: a table that was cut while LevelDB started to write it cannot even be mapped.
    expect(said).toMatch(/ended: BACKEND_(DAMAGED|OPEN): /);
    expect(said).toContain(folder);
    expect(said).toContain(REBUILD);
  } finally {
    clearInterval(cutting);
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
