import { execFileSync } from "node:child_process";
import { lstatSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { testFolder } from "../testing/folders.ts";
import { waitFor } from "../testing/wait.ts";
import { DISK_RESERVE_BYTES } from "./limits.ts";
import { type Store, startStore } from "./main.ts";

const VALUE = Buffer.alloc(512 * 1024, "v");

let disk: string;
let reasons: unknown[];
beforeEach(() => {
  disk = testFolder("r2k-reserve-");
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=320m", "tmpfs", disk]);
  reasons = [];
});
afterEach(() => execFileSync("umount", ["-l", disk]));

const start = () =>
  startStore({
    dataDir: join(disk, "data"),
    keepsDiskReserve: true,
    onFatal: (reason) => reasons.push(reason),
  });
const kept_bytes = () => {
  const stats = lstatSync(join(disk, "data/member/reserve"), { throwIfNoEntry: false });
  return (stats?.blocks ?? 0) * 512;
};
const isMade = () => kept_bytes() === DISK_RESERVE_BYTES;
const filler = () => join(disk, "filler");

/**
 * Another program fills the disk but for what a member that runs may write until it looks: a disk
 * of memory fills in less time.
 */
function fill({ left_bytes }: { left_bytes: number }): void {
  const { bavail, bsize } = statfsSync(disk);
  const count = Math.floor((bavail * bsize - left_bytes) / 65_536);
  execFileSync("dd", ["if=/dev/zero", `of=${filler()}`, "bs=64k", `count=${count}`], {
    stdio: "pipe",
  });
}

const key = (index: number) => Buffer.from(`k${index}`);
const put = (store: Store, index: number) => store.client.put({ key: key(index), value: VALUE });

/** Puts until one is refused; returns how many were not. */
async function putAll(store: Store, from: number): Promise<number> {
  for (let index = from; ; index++) {
    try {
      await put(store, index);
    } catch (thrown) {
      expect(thrown).toMatchObject({ message: "etcdserver: mvcc: database space exceeded" });
      return index;
    }
  }
}

describe.runIf(process.getuid?.() === 0)("a disk that others fill", () => {
  test("is to be freed where a store without a reserve does not start, not its data", async () => {
    const options = {
      dataDir: join(disk, "data"),
      onFatal: (reason: unknown) => reasons.push(reason),
    };
    const store = await startStore(options);
    await put(store, 0);
    await store.close();
    fill({ left_bytes: 0 });
    const remedy = expect.stringMatching(/^free or replace the disk/);
    await expect(startStore(options)).rejects.toMatchObject({ code: "BACKEND_OPEN", remedy });
    rmSync(filler());
    await (await startStore(options)).close();
  });

  test("leaves the store its reserve, and the store goes on when there is space", async () => {
    let store = await start();
    await waitFor("the reserve to be made", isMade);
    await put(store, 0);
    fill({ left_bytes: 4 * VALUE.length });
    await waitFor("the reserve to be released", () => kept_bytes() === 0);
    const count = await putAll(store, 1);
    // Deletions continue, and acknowledged writes are there.
    for (let index = 0; index < count; index++) {
      const { kvs } = await store.client.range({ key: key(index) });
      expect(kvs[0]?.value.equals(VALUE)).toBe(true);
      await store.client.deleteRange({ key: key(index) });
    }
    const { header } = await store.client.range({ key: key(0) });
    await store.client.compact({ revision: header!.revision });
    // A start on the disk that is full still.
    await store.close();
    store = await start();
    rmSync(filler());
    const made = async () => (await put(store, 0).catch(() => undefined)) !== undefined;
    await waitFor("a put to be taken", made);
    await waitFor("the reserve to be there again", isMade);
    expect(reasons).toEqual([]);
    await store.close();
  });

  test("is noticed by a member that starts: the reserve of before makes room", async () => {
    await (await start()).close();
    const store = await start();
    await waitFor("the reserve to be made", isMade);
    await store.close();
    fill({ left_bytes: 0 });
    const again = await start();
    expect(kept_bytes()).toBe(0);
    await put(again, 0);
    expect(reasons).toEqual([]);
    await again.close();
  });
});
