import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { expect, test } from "vitest";
import { TAR_EXTENSION_BYTES, TAR_RECORDS, TAR_RECORDS_ALL } from "../../limits.ts";
import { BLOCK_BYTES, checksumOf, type TarHeader } from "./header.ts";
import { tarEntries } from "./read.ts";
import { headersOf, type TarInput, writeTar } from "./write.ts";

const END = Buffer.alloc(2 * BLOCK_BYTES);

/** A header with bytes of it replaced, its checksum right. */
function header(input: Partial<TarInput>, fields: Record<number, string | Buffer> = {}): Buffer {
  const block = Buffer.from(blockOf(input));
  for (const [at, value] of Object.entries(fields)) Buffer.from(value).copy(block, Number(at));
  block.write(`${checksumOf(block).toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}
function blockOf(input: Partial<TarInput>): Buffer {
  const [block] = headersOf({ name: "name", ...input }, Buffer.byteLength(input.content ?? ""));
  return Buffer.from(block!);
}
/** Content, filled up to whole blocks. */
const content = (text: string | Buffer) => {
  const bytes = Buffer.from(text);
  const rest = (BLOCK_BYTES - (bytes.length % BLOCK_BYTES)) % BLOCK_BYTES;
  return Buffer.concat([bytes, Buffer.alloc(rest)]);
};
const size = (bytes: number) => ({ 124: `${bytes.toString(8).padStart(11, "0")}\0` });
const extended = (flag: string, text: string) =>
  Buffer.concat([header({}, { 156: flag, ...size(Buffer.byteLength(text)) }), content(text)]);

async function read(...parts: Buffer[]): Promise<(TarHeader & { text: string })[]> {
  const found = [];
  // In odd pieces, as a network gives them.
  const whole = Buffer.concat(parts);
  const pieces = Array.from({ length: Math.ceil(whole.length / 700) }, (_, i) => {
    return whole.subarray(i * 700, (i + 1) * 700);
  });
  for await (const { header: entry, content: body } of tarEntries(Readable.from(pieces))) {
    found.push({ ...entry, text: (await buffer(body)).toString() });
  }
  return found;
}

test("what is written is read again, long names and attributes too", async () => {
  const long = `${"d/".repeat(80)}${"n".repeat(120)}`;
  const written = await buffer(
    writeTar([
      { name: long, content: "x".repeat(1_000), mode: 0o4711, uid: 5, gid: 6 },
      { name: "l", type: "symlink", linkname: long },
      { name: "a", attributes: { "user.a": Buffer.from([0, 10, 255]) }, mtime: new Date(5_000) },
    ]),
  );
  const [first, second, third] = await read(written);
  expect(first).toMatchObject({ name: Buffer.from(long), mode: 0o4711, uid: 5, gid: 6 });
  expect(first!.text).toBe("x".repeat(1_000));
  expect(second).toMatchObject({ type: "symlink", linkname: Buffer.from(long) });
  expect(third!.attributes).toEqual(new Map([["user.a", Buffer.from([0, 10, 255])]]));
  expect(third!.mtime_ms).toBe(5_000);
});

test("GNU's long names, numbers in base 256, and folders of old archives", async () => {
  const big = Buffer.from("800000000000000000000005", "hex");
  const [first, second] = await read(
    extended("L", `${"n".repeat(300)}\0`),
    extended("K", `${"k".repeat(300)}\0`),
    header({ type: "symlink" }),
    header({}, { 156: "\0", 0: "folder/\0", 257: "\0".repeat(8), 124: big }),
    END,
  );
  expect(first).toMatchObject({
    name: Buffer.from("n".repeat(300)),
    linkname: Buffer.from("k".repeat(300)),
  });
  expect(second).toMatchObject({ type: "directory", size: 0, name: Buffer.from("folder/") });
});

test("pax records go before the header's fields, but for empty ones", async () => {
  const [found] = await read(
    extended("g", "9 uid=99\n"),
    extended("x", "10 size=2\n12 uid=1234\n11 mtime=7\n7 gid=\n"),
    header({ content: "" }, size(5)),
    content("ab"),
    END,
  );
  expect(found).toMatchObject({ uid: 1_234, mtime_ms: 7_000, size: 2, text: "ab" });
});

test.each<[string, Buffer[], RegExp]>([
  ["ends within a header", [header({}).subarray(0, 100)], /within a header/],
  ["ends within a file", [header({}, size(600)), content("x")], /within a file/],
  ["ends within padding", [header({}, size(1)), Buffer.from("x")], /within a file/],
  ["ends after an extended header", [extended("x", "10 size=2\n"), END], /after an extended/],
  ["has a wrong checksum", [Buffer.alloc(BLOCK_BYTES, 1), END], /checksum|no number/],
  ["goes on after a block of zeros", [Buffer.alloc(BLOCK_BYTES), header({}), END], /zeros/],
  ["has a negative size", [header({}, { 124: Buffer.alloc(12, 0xff) }), END], /size -1/],
  ["has a size that is no number", [header({}, { 124: "99999999999\0" }), END], /the size/],
  ["has a size beyond all", [header({}, { 124: Buffer.alloc(12, 0xbf) }), END], /the size/],
  ["has a record of no length", [extended("x", "0 a=b\n"), END], /wrong length/],
  ["has a record that is too long", [extended("x", "99 a=b\n"), END], /wrong length/],
  ["has a record of a length below digits", [extended("x", "1/ a=bcd\n"), END], /wrong length/],
  ["has a record of a length above digits", [extended("x", ": a=bcdef\n"), END], /wrong length/],
  ["has a record without a value", [extended("x", "6 abc\n"), END], /KEY=VALUE/],
  ["has a size in words", [extended("x", "11 size=2k\n"), header({}), END], /size is no number/],
  [
    "has the user that changes nothing",
    [extended("x", "18 uid=4294967295\n"), header({}), END],
    /user 4294967295/,
  ],
  ["has a sparse file of GNU", [header({}, { 156: "S" }), END], /"S", which is not supported/],
  [
    "has a sparse file of pax",
    [extended("x", "22 GNU.sparse.major=1\n"), header({}), END],
    /sparse files/,
  ],
  ["has another volume", [header({}, { 156: "M" }), END], /not supported/],
  [
    "has a header that is too large",
    [header({}, { 156: "x", ...size(TAR_EXTENSION_BYTES + 1) }), END],
    /extended header of/,
  ],
])("an archive that %s is refused", async (_, parts, message) => {
  await expect(read(...parts)).rejects.toMatchObject({
    code: "invalid-argument",
    message: expect.stringMatching(message) as string,
  });
});

test("a failure of the source is passed on", async () => {
  const failing = async function* (): AsyncGenerator<Buffer> {
    yield header({}, size(600));
    await Promise.resolve();
    throw new RangeError("the source broke");
  };
  const all = async () => {
    for await (const { header: entry } of tarEntries(failing())) expect(entry.size).toBe(600);
  };
  await expect(all()).rejects.toThrow("the source broke");
});

test("records of extended headers are bounded, in one header and in all", async () => {
  const records = (count: number) => extended("g", "5 a=\n".repeat(count));
  expect(await read(records(TAR_RECORDS), header({}), END)).toHaveLength(1);
  await expect(read(records(TAR_RECORDS + 1), header({}), END)).rejects.toThrow(/too many records/);
  const one = records(TAR_RECORDS);
  const headers = Math.ceil(TAR_RECORDS_ALL / TAR_RECORDS);
  const many = Readable.from(
    (function* () {
      for (let i = 0; i < headers; i++) yield one;
      yield Buffer.concat([header({}), END]);
    })(),
  );
  await expect(tarEntries(many).next()).rejects.toThrow(/too many extended headers/);
});
