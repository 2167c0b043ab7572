import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { crc32c } from "@raft2kube/std/bytes.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { BackendDamagedError } from "./damage.ts";

/**
 * A database without a mark is of format 1: its values have no checksums. Since 3 it has an
 * inventory, which an earlier release would leave behind.
 */
export const BACKEND_FORMAT_VERSION = 3;
/**
 * The mark's name: a file beside LevelDB's own, whose damage must not make it seem to be of format
 * 1.
 */
export const MARK_NAME = "r2k-format";
const MAGIC = Buffer.from("r2k-db\n\0", "latin1");
/** magic, version u32, crc u32. */
const MARK_BYTES = 16;

/**
 * The format of the database in `folder`; a new one gets the mark of the present format, durably,
 * before it has anything else. Throws for a mark of a later release, or a damaged one.
 */
export function formatOf(folder: string): number {
  const path = join(folder, MARK_NAME);
  if (existsSync(path)) return readMark(folder, readFileSync(path));
  // LevelDB makes it first of all.
  if (existsSync(join(folder, "CURRENT"))) return 1;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeDurably(folder, path);
  return BACKEND_FORMAT_VERSION;
}

function readMark(folder: string, mark: Buffer): number {
  const whole = mark.length === MARK_BYTES && mark.subarray(0, MAGIC.length).equals(MAGIC);
  if (!whole || mark.readUInt32LE(12) !== crc32c(mark.subarray(0, 12))) {
    throw new BackendDamagedError(folder, `${MARK_NAME} is damaged`);
  }
  const version = mark.readUInt32LE(8);
  if (version <= BACKEND_FORMAT_VERSION) return version;
  const known = `this release reads up to ${BACKEND_FORMAT_VERSION}`;
  throw new CodedError("BACKEND_FORMAT", `${folder}: database format ${version}; ${known}`, {
    remedy: "start the release that wrote this data directory",
  });
}

export function encodeMark(version: number): Buffer {
  const mark = Buffer.alloc(MARK_BYTES);
  MAGIC.copy(mark);
  mark.writeUInt32LE(version, 8);
  mark.writeUInt32LE(crc32c(mark.subarray(0, 12)), 12);
  return mark;
}

function writeDurably(folder: string, path: string): void {
  writeFileSync(path, encodeMark(BACKEND_FORMAT_VERSION), { mode: 0o600, flush: true });
  const fd = openSync(folder, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
