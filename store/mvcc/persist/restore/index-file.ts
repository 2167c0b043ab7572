import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { logger } from "@raft2kube/observe/log.ts";
import { errno, messageOf, tolerateSync } from "@raft2kube/std/errors.ts";
import { type Generation, KeyHistory } from "../../index/key-history.ts";
import { type IndexEntry, KeyIndex } from "../../index/key-index.ts";
import type { State } from "../../state/state.ts";
import { META_KEY } from "../flush/meta.ts";
import { BlockReader, BlockWriter } from "./index-bytes.ts";

const MAGIC = "r2k-ix\n\0";
/** A file of another version is ignored: the index is then rebuilt from the records, slower. */
const INDEX_FORMAT_VERSION = 1;
const MORE_LEASES = 1;
const NO_MORE = 0;

const log = logger("store");

/**
 * Writes the index to a file, so that the next start need not read every record. The file contains
 * a copy of the state's record in the backend and is valid for that state only; therefore it is
 * written at a clean stop, after the last flush. It is not synced: checksums detect a torn file.
 */
export function writeIndex(path: string, state: State): void {
  const meta = state.backend.getSync(META_KEY);
  // During a compaction index and backend differ: a key compacted in one alone would never go.
  if (!meta || state.compactedRevision !== state.compactRevision) return;
  const writer = new BlockWriter();
  writer.text(MAGIC);
  writer.u32(INDEX_FORMAT_VERSION);
  writer.text(meta.toString("latin1"));
  writer.u32(state.index.size);
  state.index.each((key, entry) => {
    writer.text(key);
    writeEntry(writer, entry);
  });
  for (const [key, lease] of state.leases.attached()) {
    writer.u8(MORE_LEASES);
    writer.text(key);
    writer.id(lease);
  }
  writer.u8(NO_MORE);
  put(path, Buffer.concat(writer.finish()));
}

/** Replaces the file. An error, such as a full disk, is logged and does not fail the stop. */
function put(path: string, bytes: Buffer): void {
  const aside = `${path}.part`;
  try {
    writeFileSync(aside, bytes, { mode: 0o600 });
    renameSync(aside, path);
  } catch (thrown) {
    const reason = messageOf(thrown);
    log.warn("cannot write the index file; the next start reads the records", { path, reason });
    rmSync(aside, { force: true });
  }
}

function writeEntry(writer: BlockWriter, entry: IndexEntry): void {
  if (typeof entry === "number") {
    writer.u32(0);
    writer.whole(entry);
    return;
  }
  const generations = entry.generations();
  writer.u32(generations.length);
  for (const { created, version, ended, revisions } of generations) {
    writer.whole(created);
    writer.whole(version);
    writer.u8(ended ? 1 : 0);
    writer.u32(revisions.length);
    for (const revision of revisions) writer.whole(revision);
  }
}

/**
 * Fills the index of an empty state from the file and removes the file, which the next write makes
 * stale. Returns false, and leaves the state empty, if the file is missing, damaged, or of another
 * state.
 */
export function readIndexFile(path: string, state: State): boolean {
  const bytes = tolerateSync(() => readFileSync(path), errno("ENOENT"));
  if (bytes === undefined) return false;
  rmSync(path);
  const meta = state.backend.getSync(META_KEY);
  try {
    const reader = new BlockReader(bytes);
    if (!meta || !isOf(reader, meta)) return false;
    const index = readEntries(reader);
    const leases = readLeases(reader);
    if (!reader.done) throw new RangeError("bytes after the last lease");
    // Applied after everything was read: a damaged file must leave the state empty.
    state.index = index;
    for (const [key, lease] of leases) state.leases.attach(key, lease);
    return true;
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown;
    log.warn("ignoring the index file", { path, reason: messageOf(thrown) });
    return false;
  }
}

function isOf(reader: BlockReader, meta: Buffer): boolean {
  if (reader.text() !== MAGIC || reader.u32() !== INDEX_FORMAT_VERSION) return false;
  return reader.text() === meta.toString("latin1");
}

function readEntries(reader: BlockReader): KeyIndex {
  const index = new KeyIndex();
  for (let left = reader.u32(); left > 0; left--) index.append(reader.text(), readEntry(reader));
  return index;
}

function readEntry(reader: BlockReader): IndexEntry {
  const count = reader.u32();
  if (count === 0) return reader.whole();
  const generations: Generation[] = [];
  for (let i = 0; i < count; i++) {
    const [created, version, ended] = [reader.whole(), reader.whole(), reader.u8() === 1];
    const revisions: number[] = [];
    for (let left = reader.u32(); left > 0; left--) revisions.push(reader.whole());
    generations.push({ created, version, ended, revisions });
  }
  return KeyHistory.of(generations);
}

function readLeases(reader: BlockReader): [string, bigint][] {
  const leases: [string, bigint][] = [];
  while (reader.u8() === MORE_LEASES) leases.push([reader.text(), reader.id()]);
  return leases;
}
