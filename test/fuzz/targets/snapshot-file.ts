import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32c } from "@raft2kube/std/bytes.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { initialMembership } from "@raft2kube/store/core/membership.ts";
import { encodeMeta, META_KEY } from "@raft2kube/store/mvcc/persist/flush/meta.ts";
import { BLOCK_HEAD_BYTES, SNAPSHOT_HEADER_BYTES } from "@raft2kube/store/snapshot/format.ts";
import { checkSnapshot, loadSnapshot } from "@raft2kube/store/snapshot/load.ts";
import { writeSnapshot } from "@raft2kube/store/snapshot/write.ts";
import { memoryBackend } from "../../../testing/store/memory-backend.ts";
import type { Fate, Target } from "../target.ts";

const CODES = ["SNAPSHOT_DAMAGED", "SNAPSHOT_FORMAT", "STATE_FORMAT", "STATE_DAMAGED"];
const identity = { clusterId: 1n, memberId: 2n };

let made: string | undefined;

/** One for all inputs, until `close`. */
const folder = () => (made ??= mkdtempSync(join(tmpdir(), "r2k-fuzz-")));

async function snapshotOf(values: number): Promise<Buffer> {
  const backend = memoryBackend();
  const counts = { appliedIndex: 9, appliedTerm: 2, revision: 4 };
  const compaction = { compactRevision: -1, compactedRevision: -1 };
  const membership = initialMembership([1n, 2n, 3n]);
  const meta = encodeMeta({ ...identity, ...counts, ...compaction, membership });
  const writes = Array.from({ length: values }, (_, i) => {
    return { key: Buffer.from(`key/${i}`), value: Buffer.alloc(i % 50, i) };
  });
  await backend.writeBatch([...writes, { key: META_KEY, value: meta }], { sync: true });
  const path = join(folder(), `right-${values}`);
  await writeSnapshot(path, { index: 9, term: 2, clusterId: 1n }, backend.snapshot());
  return readFileSync(path);
}

/** Snapshot files as they lie on disk, or come from another member. */
export const snapshotFile: Target = {
  name: "snapshot-file",
  corpus: () => Promise.all([0, 3, 40].map(snapshotOf)),
  seal,
  close() {
    if (made !== undefined) rmSync(made, { recursive: true });
    made = undefined;
  },
  async read(bytes) {
    const path = join(folder(), "input");
    writeFileSync(path, bytes);
    const checked = await fateOf(() => checkSnapshot(path));
    const loaded = await fateOf(() => loadSnapshot(path, memoryBackend(), identity));
    if (checked !== loaded) throw new Error(`checked: ${checked}, loaded: ${loaded}`);
    return checked;
  },
};

async function fateOf(act: () => Promise<unknown>): Promise<Fate> {
  try {
    await act();
    return "taken";
  } catch (thrown) {
    if (thrown instanceof CodedError && CODES.includes(thrown.code)) return "refused";
    throw thrown;
  }
}

/** Checksums of the header and of each block, as far as their lengths lead. */
function seal(bytes: Buffer): Buffer {
  if (bytes.length < SNAPSHOT_HEADER_BYTES) return bytes;
  const rest = bytes.subarray(16, SNAPSHOT_HEADER_BYTES);
  bytes.writeUInt32LE(crc32c(rest, crc32c(bytes.subarray(0, 12))), 12);
  let crc = 0;
  for (let at = SNAPSHOT_HEADER_BYTES; at + BLOCK_HEAD_BYTES <= bytes.length; ) {
    const end = at + BLOCK_HEAD_BYTES + bytes.readUInt32LE(at);
    if (end > bytes.length) break;
    const block = bytes.subarray(at + BLOCK_HEAD_BYTES, end);
    crc = crc32c(block, crc32c(bytes.subarray(at, at + 4), crc));
    bytes.writeUInt32LE(crc, at + 4);
    at = end;
  }
  return bytes;
}
