import { join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../testing/folders.ts";
import { startStore } from "./main.ts";
import { decodeMeta, META_KEY } from "./mvcc/persist/flush/meta.ts";
import { Backends } from "./node/backends.ts";
import { machineDisk } from "./wal/disk.ts";
import { Wal } from "./wal/wal.ts";

let dataDir: string;
beforeEach(() => {
  dataDir = testFolder("r2k-fatal-");
});

async function metaOf(folder: string) {
  const { backend } = await new Backends(folder).openNewest();
  const meta = decodeMeta(backend.getSync(META_KEY)!);
  await backend.close();
  return meta;
}

/** Commits a command of a kind that only a later release knows, as its leader would have. */
async function commitUnknown(): Promise<number> {
  const { clusterId, memberId } = await metaOf(dataDir);
  const { wal, recovered } = Wal.open({
    disk: machineDisk(join(dataDir, "member", "wal")),
    identity: { clusterId, memberId },
    clock: systemClock(),
    onFatal: (reason) => expect.fail(String(reason)),
  });
  const { term, vote } = recovered.hardState;
  const index = recovered.base.index + recovered.entries.length + 1;
  const entries = [{ index, term, data: Buffer.alloc(32, 0xee), change: undefined }];
  const write = { id: 1, hardState: { term, vote, commit: index }, entries, snapshot: undefined };
  await new Promise<void>((resolve) => wal.append(write, resolve));
  await wal.close();
  return index;
}

test("S4: an entry that could not be applied is not recorded as applied at the end", async () => {
  const first = await startStore({ dataDir });
  await first.client.put({ key: Buffer.from("k"), value: Buffer.from("v") });
  await first.close();
  const index = await commitUnknown();
  for (const start of ["first", "second"]) {
    const reasons: unknown[] = [];
    const starting = startStore({ dataDir, onFatal: (reason) => reasons.push(reason) });
    await expect(starting, `${start} start`).rejects.toThrow();
    expect(reasons).toMatchObject([{ code: "UNKNOWN_COMMAND" }]);
    expect((await metaOf(dataDir)).appliedIndex).toBeLessThan(index);
  }
});
