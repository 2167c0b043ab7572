/**
 * A point in the history of the store: the transaction's revision, and the change's place in it.
 */
export type Revision = { main: number; sub: number };

/** etcd's encoding of a revision: main and sub, 8 bytes each, big-endian, with `_` between. */
export const REVISION_BYTES = 17;
const SEPARATOR = 0x5f;
/** Byte appended to the revision of a deletion. */
const TOMBSTONE = 0x74;

/** Where records live in the backend: etcd's bucket name as a prefix. */
const RECORD_PREFIX = Buffer.from("key/", "latin1");
export const RECORD_PREFIX_BYTES = RECORD_PREFIX.length;

/** The backend's key of a record. */
export function recordKey(main: number, sub: number, tombstone: boolean): Buffer {
  const key = Buffer.allocUnsafe(RECORD_PREFIX_BYTES + REVISION_BYTES + (tombstone ? 1 : 0));
  RECORD_PREFIX.copy(key);
  writeU64(key, RECORD_PREFIX_BYTES, main);
  key[RECORD_PREFIX_BYTES + 8] = SEPARATOR;
  writeU64(key, RECORD_PREFIX_BYTES + 9, sub);
  if (tombstone) key[RECORD_PREFIX_BYTES + REVISION_BYTES] = TOMBSTONE;
  return key;
}

/** The revision in a record's key. */
export const parseRecordKey = (key: Buffer): Revision & { tombstone: boolean } => ({
  main: readU64(key, RECORD_PREFIX_BYTES),
  sub: readU64(key, RECORD_PREFIX_BYTES + 9),
  tombstone: key.length > RECORD_PREFIX_BYTES + REVISION_BYTES,
});

function writeU64(target: Buffer, offset: number, value: number): void {
  target.writeUInt32BE(Math.floor(value / 0x1_0000_0000), offset);
  target.writeUInt32BE(value % 0x1_0000_0000, offset + 4);
}

function readU64(source: Buffer, offset: number): number {
  return source.readUInt32BE(offset) * 0x1_0000_0000 + source.readUInt32BE(offset + 4);
}
