// Makes a data directory to keep as a fixture, when a format has changed: the test of fixtures
// opens those of all earlier formats. Usage: node store/testing/make-fixture.ts
// store/testdata/format-N
import { readdirSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { startStore } from "../main.ts";
import { decodeMeta, META_KEY } from "../mvcc/persist/flush/meta.ts";
import { Backends } from "../node/backends.ts";
import { SnapshotFolder } from "../snapshot/folder.ts";
import { writeSnapshot } from "../snapshot/write.ts";
import { SYNCED_NAME } from "../wal/synced-mark.ts";

const dataDir = process.argv[2];
if (dataDir === undefined) throw new RangeError("usage: make-fixture.ts DIR");
const bytes = (text: string) => Buffer.from(text);

const { client, close } = await startStore({ dataDir, name: "fixture" });
const { ID } = await client.leaseGrant({ TTL: 8_000_000_000, ID: 1234n });
for (let i = 0; i < 20; i++) {
  const lease = i === 18 ? ID : 0n;
  await client.put({ key: bytes(`key-${i % 7}`), value: bytes(`value ${i}`), lease });
}
await client.deleteRange({ key: bytes("key-2") });
const put = { requestPut: { key: bytes("in-txn"), value: bytes("x") } };
await client.txn({ success: [put, { requestDeleteRange: { key: bytes("key-5") } }] });
await client.compact({ revision: 9, physical: true });
await close();

const { backend } = await new Backends(dataDir).openNewest();
const {
  appliedIndex: index,
  appliedTerm: term,
  clusterId,
} = decodeMeta(backend.getSync(META_KEY)!);
const view = backend.snapshot();
const file = new SnapshotFolder(dataDir).outgoing({ index, term });
await writeSnapshot(file, { index, term, clusterId }, view);
await view.close();
await backend.close();

// Files that LevelDB creates at each start.
const db = join(dataDir, "member", "db");
for (const name of readdirSync(db)) {
  if (/^(LOCK|LOG|LOG\.old|.*\.log)$/.test(name)) rmSync(join(db, name));
}

// The room that segments have ahead is of no interest.
const wal = join(dataDir, "member", "wal");
for (const name of readdirSync(wal)) {
  const path = join(wal, name);
  if (name === SYNCED_NAME) continue;
  if (!name.endsWith(".wal")) rmSync(path);
  else truncateSync(path, readFileSync(path).findLastIndex((byte) => byte !== 0) + 4096);
}
