import { appendFileSync, cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { testFolder } from "../testing/folders.ts";
import { memoryBackend } from "../testing/store/memory-backend.ts";
import { dump, verify } from "./inspect.ts";
import { startStore } from "./main.ts";
import { decodeMeta, META_KEY } from "./mvcc/persist/flush/meta.ts";
import { loadSnapshot } from "./snapshot/load.ts";

const KEPT = join(import.meta.dirname, "testdata");
let folder: string;

beforeEach(() => {
  folder = testFolder("r2k-formats-");
});

/** A copy of a kept data directory: opening one changes it. */
function copyOf(name: string): string {
  const dataDir = join(folder, name);
  cpSync(join(KEPT, name), dataDir, { recursive: true });
  return dataDir;
}

async function all(lines: AsyncGenerator<string>): Promise<string[]> {
  const found: string[] = [];
  for await (const line of lines) found.push(line);
  return found;
}

describe.each(readdirSync(KEPT))("a data directory of %s", (name) => {
  test("opens with all that was written, and is written on", async () => {
    const store = await startStore({ dataDir: copyOf(name), name: "fixture" });
    const everything = { key: Buffer.from([0]), rangeEnd: Buffer.from([0]) };
    const { kvs, header } = await store.client.range(everything);
    const found = kvs.map(({ key, value, version }) => `${key} ${value} ${version}`);
    expect(found).toEqual([
      "in-txn x 1",
      "key-0 value 14 3",
      "key-1 value 15 3",
      "key-3 value 17 3",
      "key-4 value 18 3",
      "key-6 value 13 2",
    ]);
    expect(header!.revision).toBe(23);
    const { keys } = await store.client.leaseTimeToLive({ ID: 1234n, keys: true });
    expect(keys.map(String)).toEqual(["key-4"]);
    await expect(store.client.range({ ...everything, revision: 8 })).rejects.toThrow("compacted");
    expect((await store.client.put({ key: Buffer.from("new") })).header!.revision).toBe(24);
    await store.close();
  });

  test("its snapshot fills a backend", async () => {
    const snapshots = join(KEPT, name, "member", "snap");
    const [file] = readdirSync(snapshots);
    const backend = memoryBackend();
    await loadSnapshot(join(snapshots, file!), backend, { clusterId: 1n, memberId: 2n });
    expect(decodeMeta(backend.getSync(META_KEY)!)).toMatchObject({ memberId: 2n, revision: 23 });
  });

  test("verify and dump read it", async () => {
    const dataDir = copyOf(name);
    const lines = await all(verify(dataDir));
    expect(lines).toHaveLength(4);
    expect(lines[0]).toMatch(/^member [0-9a-f]+ of cluster [0-9a-f]+: applied 27 of term 2/);
    expect(lines[1]).toBe("state: 22 records up to revision 23");
    expect(lines[2]).toBe("log: 1 segments, entries 2 to 27");
    expect(lines[3]).toMatch(/^snapshot: .* at 27\/2, revision 23, 25 pairs$/);
    const dumped = await all(dump(dataDir));
    const put = /^22\/2 put {"key":"key-3","value":"value/;
    expect(dumped).toContainEqual(expect.stringMatching(put));
    expect(dumped).toContain('revision 22/0 "key-2" deleted');
  });
});

test("S8: verify names what is damaged, in the log and in a snapshot", async () => {
  const dataDir = copyOf("format-1");
  const snapshots = join(dataDir, "member", "snap");
  const snapshot = join(snapshots, readdirSync(snapshots)[0]!);
  appendFileSync(snapshot, "x");
  await expect(all(verify(dataDir))).rejects.toMatchObject({ code: "SNAPSHOT_DAMAGED" });
  const wal = join(dataDir, "member", "wal", "0000000000000001.wal");
  const bytes = readFileSync(wal);
  bytes[500]! ^= 1;
  writeFileSync(wal, bytes);
  await expect(all(verify(dataDir))).rejects.toMatchObject({ code: "LOG_DAMAGED" });
  await expect(all(verify(join(dataDir, "nowhere")))).rejects.toMatchObject({ code: "NO_STATE" });
});
