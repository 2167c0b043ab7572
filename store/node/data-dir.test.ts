import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { importSnapshot } from "../import.ts";
import { dump, verify } from "../inspect.ts";
import { startStore } from "../main.ts";
import { SnapshotFolder } from "../snapshot/folder.ts";

const ETCD_DB = join(import.meta.dirname, "../bbolt/testdata/etcd-3.6.db");
const SEGMENT = "0000000000000000-0000000000000000.wal";

let folder: string;
let dataDir: string;
beforeEach(() => {
  folder = testFolder("r2k-data-dir-");
  dataDir = join(folder, "data");
});

const put = (path: string) => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, "");
};

/** The files of a data directory that etcd has used. */
const DB = "member/snap/db";
function etcdsFiles() {
  put(join(dataDir, "member/wal", SEGMENT));
  put(join(dataDir, DB));
  copyFileSync(ETCD_DB, join(dataDir, DB));
}

const files = () => readdirSync(dataDir, { recursive: true }).sort();

/** Nothing that opens the directory does so, or changes it. */
async function refused(code: string, walDir?: string) {
  const before = files();
  const read = async (lines: AsyncIterable<string>) => {
    for await (const line of lines) expect.fail(line);
  };
  const tries: (() => Promise<unknown>)[] = [() => startStore({ dataDir, walDir })];
  if (walDir === undefined)
    tries.push(
      () => read(verify(dataDir)),
      () => read(dump(dataDir)),
    );
  for (const open of tries) await expect(open()).rejects.toMatchObject({ code });
  expect(files()).toEqual(before);
}

test("etcd's data directory is refused, and imported as the error says", async () => {
  etcdsFiles();
  await refused("DATA_DIR_OF_ETCD");
  const remedy = `r2k store import ${join(dataDir, DB)} --data-dir DIR`;
  await expect(startStore({ dataDir })).rejects.toMatchObject({
    remedy: expect.stringContaining(remedy) as string,
  });
  const imported = join(folder, "imported");
  const options = { name: "default", clusterToken: "etcd-cluster", dataDir: imported };
  await importSnapshot({ ...options, file: join(dataDir, DB) });
  const store = await startStore({ dataDir: imported });
  const { kvs } = await store.client.range({ key: Buffer.from("key-0") });
  await store.close();
  expect(kvs.map(({ value }) => value.toString())).toEqual(["value 14"]);
});

test.each([DB, `member/wal/${SEGMENT}`])("%s alone is enough to be etcd's", async (path) => {
  put(join(dataDir, path));
  await refused("DATA_DIR_OF_ETCD");
});

test("etcd's log in a folder of its own is refused", async () => {
  const walDir = join(folder, "wal");
  put(join(walDir, SEGMENT));
  mkdirSync(dataDir);
  await refused("DATA_DIR_OF_ETCD", walDir);
});

test("etcd's data beside the store's own is refused, not removed", async () => {
  await (await startStore({ dataDir })).close();
  etcdsFiles();
  await refused("DATA_DIR_OF_ETCD");
});

test("a member's folder of another program or a later release is refused", async () => {
  put(join(dataDir, "member/state/1"));
  await refused("DATA_DIR_FOREIGN");
});

test("a directory without a member's state is not made one by looking at it", async () => {
  mkdirSync(join(dataDir, "member"), { recursive: true });
  await expect(verify(dataDir).next()).rejects.toMatchObject({ code: "NO_STATE" });
  expect(files()).toEqual(["member"]);
});

test("what is beside a member's folder is its user's, and no reason to refuse", async () => {
  put(join(dataDir, "fixtures/client/cert.pem"));
  put(join(dataDir, "store.log"));
  await (await startStore({ dataDir })).close();
});

test("snapshots are removed by their names: other files stay", () => {
  const snapshots = new SnapshotFolder(dataDir);
  for (const path of [snapshots.outgoing({ index: 5, term: 1 }), join(dataDir, DB)]) put(path);
  snapshots.clean();
  expect(readdirSync(snapshots.path)).toEqual(["db"]);
});
