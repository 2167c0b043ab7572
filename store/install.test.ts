import { cpSync, existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../testing/folders.ts";
import { NONE } from "./core/types.ts";
import { startStore } from "./main.ts";
import { decodeMeta, META_KEY } from "./mvcc/persist/flush/meta.ts";
import { Backends } from "./node/backends.ts";
import { SnapshotFolder } from "./snapshot/folder.ts";
import { writeSnapshot } from "./snapshot/write.ts";
import { machineDisk } from "./wal/disk.ts";
import { Wal } from "./wal/wal.ts";

let folder: string;
beforeEach(() => {
  folder = testFolder("r2k-install-");
});

const key = Buffer.from("k");

/**
 * A member that crashed between the log's record of a snapshot and its installation: `old` is its
 * state, `ahead` the leader's, a hundred entries further.
 */
async function crashed(): Promise<{ dataDir: string; file: string; index: number }> {
  const ahead = join(folder, "ahead");
  const dataDir = join(folder, "member");
  const store = await startStore({ dataDir: ahead });
  await store.client.put({ key, value: Buffer.from("old") });
  await store.close();
  cpSync(ahead, dataDir, { recursive: true });
  const again = await startStore({ dataDir: ahead });
  for (let i = 0; i < 100; i++) await again.client.put({ key, value: Buffer.from(`${i}`) });
  await again.close();

  const { backend } = await new Backends(ahead).openNewest();
  const meta = decodeMeta(backend.getSync(META_KEY)!);
  const { appliedIndex: index, appliedTerm: term, clusterId, memberId, membership } = meta;
  const file = new SnapshotFolder(dataDir).received({ index, term });
  const view = backend.snapshot();
  await writeSnapshot(file, { index, term, clusterId }, view);
  await view.close();
  await backend.close();

  const disk = machineDisk(join(dataDir, "member", "wal"));
  const identity = { clusterId, memberId };
  const onFatal = (reason: unknown) => expect.fail(String(reason));
  const { wal } = Wal.open({ disk, identity, clock: systemClock(), onFatal });
  const hardState = { term, vote: NONE, commit: index };
  const write = { id: 1, hardState, entries: [], snapshot: { index, term, membership } };
  await new Promise<void>((resolve) => wal.append(write, resolve));
  await wal.close();
  return { dataDir, file, index };
}

test("S4: a crash before a received snapshot is installed is made good at the start", async () => {
  const { dataDir, file, index } = await crashed();
  const store = await startStore({ dataDir });
  const { kvs } = await store.client.range({ key });
  expect(kvs[0]!.value.toString()).toBe("99");
  expect((await store.client.status()).raftAppliedIndex).toBeGreaterThan(index);
  await store.client.put({ key, value: Buffer.from("goes on") });
  await store.close();
  expect(existsSync(file)).toBe(false);
  const databases = readdirSync(join(dataDir, "member")).filter((name) => name.startsWith("db"));
  expect(databases).toEqual([`db-${index.toString(16).padStart(16, "0")}`]);
  const second = await startStore({ dataDir });
  expect((await second.client.range({ key })).kvs[0]!.value.toString()).toBe("goes on");
  await second.close();
});

test("S4: a database that was not filled to its end is not taken for the state", async () => {
  const { dataDir } = await crashed();
  const half = await new Backends(dataDir).openNewest();
  await half.backend.close();
  const name = "db-00000000000000ff";
  cpSync(join(dataDir, "member", "db"), join(dataDir, "member", name), { recursive: true });
  const { backend } = await new Backends(dataDir).openNewest();
  await backend.writeBatch([{ key: META_KEY, value: undefined }], { sync: true });
  await backend.close();
  const store = await startStore({ dataDir });
  expect((await store.client.range({ key })).kvs[0]!.value.toString()).toBe("99");
  await store.close();
  expect(readdirSync(join(dataDir, "member"))).not.toContain(name);
});

test("S4: without the file the member says what it lacks", async () => {
  const { dataDir, file } = await crashed();
  rmSync(file);
  await expect(startStore({ dataDir })).rejects.toMatchObject({ code: "STATE_LOST" });
});
