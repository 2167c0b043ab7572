import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../../../../testing/folders.ts";
import { removeArchive, writeArchive } from "./archive.ts";
import { ShareContents } from "./share-contents.ts";

const KEY = "0".repeat(32);

let dir: string;
beforeEach(() => {
  dir = testFolder("r2k-archive-");
  mkdirSync(path.join(dir, "volume"));
  writeFileSync(path.join(dir, "volume/file"), "kept");
});

async function inShare(act: (share: ShareContents, volume: Directory) => Promise<void>) {
  using root = Directory.open(dir);
  using volume = root.directory("volume");
  await act(new ShareContents(root, { server: "nfs.test", path: "/data" }), volume);
}
const snapshots = () => readdirSync(path.join(dir, ".r2k-csi/snapshots"));

test("an archive that is not finished in time leaves no file", async () => {
  await inShare(async (share, volume) => {
    await expect(writeArchive(share, KEY, volume, AbortSignal.abort())).rejects.toThrow("tar");
    expect(snapshots()).toEqual([]);
    await writeArchive(share, KEY, volume, AbortSignal.timeout(60_000));
    expect(snapshots()).toEqual([`${KEY}.tar`]);
  });
});

test("deleting a snapshot removes an archive that a killed process left unfinished", async () => {
  await inShare(async (share) => {
    share.meta("snapshots")[Symbol.dispose]();
    writeFileSync(path.join(dir, `.r2k-csi/snapshots/.${KEY}.tar.new`), "part");
    await removeArchive(share, KEY);
    expect(snapshots()).toEqual([]);
  });
});
