import { TAR_RECORDS } from "../../limits.ts";
import { type HeaderBlock, malformed, type TarHeader, typeOf } from "./header.ts";

const ATTRIBUTE = "SCHILY.xattr.";
const LENGTH_DIGITS = 9;
const ZERO = 0x30;

/** Records of an extended header (pax(1)): `LENGTH KEY=VALUE\n`. Values are bytes. */
export type PaxRecords = ReadonlyMap<string, Buffer>;

/** Reads the records; `count` is called before each. Of two with one key the later counts. */
export function decodePax(bytes: Buffer, count: () => void = () => undefined): PaxRecords {
  const records = new Map<string, Buffer>();
  for (let [at, read] = [0, 0]; at < bytes.length; read++) {
    if (read === TAR_RECORDS) throw malformed("an extended header has too many records");
    count();
    const { value, space } = lengthAt(bytes, at);
    const end = at + value;
    if (bytes[space] !== 0x20 || end <= space + 1 || end > bytes.length) {
      throw malformed("an extended header has a record of a wrong length");
    }
    const equals = bytes.indexOf(0x3d, space);
    if (equals < 0 || equals >= end || bytes[end - 1] !== 0x0a) {
      throw malformed("an extended header has a record that is not KEY=VALUE");
    }
    records.set(bytes.toString("utf8", space + 1, equals), bytes.subarray(equals + 1, end - 1));
    at = end;
  }
  return records;
}

/** The length at a record's start, 0 if there is none, and the place after its digits. */
function lengthAt(bytes: Buffer, at: number): { value: number; space: number } {
  let [value, space] = [0, at];
  // By its digits: a text for each of millions of records would take half of the time.
  for (; space < at + LENGTH_DIGITS && isDigit(bytes[space]!); space++) {
    value = 10 * value + bytes[space]! - ZERO;
  }
  return { value, space };
}

const isDigit = (byte: number) => byte >= ZERO && byte <= ZERO + 9;

/** A decimal number, with a fraction for times. */
function decimal(records: PaxRecords, key: string, otherwise: number): number {
  const value = records.get(key)?.toString("latin1");
  // An empty value takes the header's.
  if (value === undefined || value === "") return otherwise;
  if (/^-?[0-9]{1,20}(\.[0-9]*)?$/.test(value)) return Number(value);
  throw malformed(`the extended header's ${key} is no number`);
}

/** A header with the values of extended headers and GNU's long names. */
export function completeHeader(
  block: HeaderBlock,
  records: PaxRecords,
  long: { name?: Buffer; linkname?: Buffer },
): TarHeader {
  const named = (key: string) => (records.get(key)?.length ? records.get(key) : undefined);
  const name = named("path") ?? long.name ?? block.name;
  const sparse = [...records.keys()].find((key) => key.startsWith("GNU.sparse."));
  if (sparse !== undefined) throw malformed("sparse files (GNU.sparse) are not supported");
  const type = typeOf(block.flag, name);
  const size = decimal(records, "size", block.size);
  const header: TarHeader = {
    name,
    type,
    linkname: named("linkpath") ?? long.linkname ?? block.linkname,
    mode: block.mode,
    uid: decimal(records, "uid", block.uid),
    gid: decimal(records, "gid", block.gid),
    // Only files have content, regardless of other types' headers.
    size: type === "file" ? size : 0,
    mtime_ms: Math.floor(decimal(records, "mtime", block.mtime_ms / 1_000) * 1_000),
    devmajor: block.devmajor,
    devminor: block.devminor,
    attributes: attributesOf(records),
  };
  requireRanges(header);
  return header;
}

function attributesOf(records: PaxRecords): Map<string, Buffer> {
  const attributes = new Map<string, Buffer>();
  for (const [key, value] of records) {
    if (key.startsWith(ATTRIBUTE)) attributes.set(key.slice(ATTRIBUTE.length), value);
  }
  return attributes;
}

/** Users and groups are 32 bits, of which the last means "unchanged" to the kernel. */
const ID_MAX = 2 ** 32 - 2;
const DEVICE_MAX = 2 ** 20 - 1;
const TIME_MS_MAX = 2 ** 31 * 1e6;

function requireRanges(header: TarHeader): void {
  const ranges = [
    ["size", header.size, 0, Number.MAX_SAFE_INTEGER],
    ["mode", header.mode, 0, 0xffff_ffff],
    ["user", header.uid, 0, ID_MAX],
    ["group", header.gid, 0, ID_MAX],
    ["device", header.devmajor, 0, DEVICE_MAX],
    ["device", header.devminor, 0, DEVICE_MAX],
    ["time", header.mtime_ms, -TIME_MS_MAX, TIME_MS_MAX],
  ] as const;
  for (const [what, value, least, most] of ranges) {
    if (Number.isInteger(value) && value >= least && value <= most) continue;
    const name = JSON.stringify(header.name.toString("utf8", 0, 200));
    throw malformed(`${name} has the ${what} ${value}, which is out of range`);
  }
}
