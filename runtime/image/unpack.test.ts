import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { beforeEach, describe, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { LAYER_DEPTH } from "../limits.ts";
import { FILE_BYTES } from "./disk-reserve.ts";
import { type TarInput, writeTar } from "./tar/write.ts";
import { type UnpackLimits, unpackLayer } from "./unpack.ts";

let base: string;
let root: string;
beforeEach(() => {
  base = testFolder("r2k-unpack-");
  root = path.join(base, "root");
  mkdirSync(root);
});

const reserve = { take: () => Promise.resolve() };
async function unpack(entries: TarInput[], limits?: UnpackLimits) {
  using directory = Directory.open(root);
  return await unpackLayer(writeTar(entries), directory, reserve, limits);
}
function attributes(file: string): Record<string, string> {
  using folder = Directory.open(path.dirname(file));
  using handle = folder.handle(path.basename(file));
  const found = [...handle.attributes()].map(([name, value]) => [name, value.toString("hex")]);
  return Object.fromEntries(found) as Record<string, string>;
}
const at = (name: string) => path.join(root, name);

describe.runIf(process.getuid?.() === 0)("unpacking a layer", () => {
  test("files, folders, links, owners, modes and times", async () => {
    const mtime = new Date(1_000_000_000_000);
    await unpack([
      { name: "./", type: "directory", mode: 0o755 },
      { name: "etc/", type: "directory", mode: 0o750, mtime, uid: 5, gid: 6 },
      { name: "etc/a", mode: 0o4755, mtime, uid: 7, gid: 8, content: "text" },
      { name: "etc/b", type: "link", linkname: "etc/a" },
      { name: "etc/c", type: "symlink", linkname: "/etc/a" },
      { name: "null", type: "character-device", devmajor: 1, devminor: 3, mode: 0o666 },
    ]);
    const a = lstatSync(at("etc/a"));
    expect([a.mode & 0o7777, a.uid, a.gid, a.nlink, a.mtimeMs]).toEqual([
      0o4755,
      7,
      8,
      2,
      mtime.getTime(),
    ]);
    expect(lstatSync(at("etc")).mtimeMs).toBe(mtime.getTime());
    expect(readlinkSync(at("etc/c"))).toBe("/etc/a");
    expect(lstatSync(at("null")).rdev).toBe(0x103);
  });

  test("entries below a link stay inside, as the container would see them", async () => {
    await unpack([
      { name: "out", type: "symlink", linkname: `../../../..${base}` },
      { name: "abs", type: "symlink", linkname: base },
      { name: "out/escaped", content: "x" },
      { name: "abs/escaped2", content: "x" },
    ]);
    expect(existsSync(path.join(base, "escaped"))).toBe(false);
    expect(existsSync(path.join(base, "escaped2"))).toBe(false);
    expect(readFileSync(path.join(root, base, "escaped"), "utf8")).toBe("x");
    expect(readFileSync(path.join(root, base, "escaped2"), "utf8")).toBe("x");
  });

  test("a file never goes through a link of its own name", async () => {
    await unpack([
      { name: "a", type: "symlink", linkname: path.join(base, "victim") },
      { name: "a", content: "x" },
    ]);
    expect(lstatSync(at("a")).isFile()).toBe(true);
    expect(existsSync(path.join(base, "victim"))).toBe(false);
  });

  test.each([
    [[{ name: "../x", content: "" }], /leads out/],
    [[{ name: "a/../../x", content: "" }], /leads out/],
    [[{ name: "b", type: "link", linkname: "../../etc/passwd" }], /leads out/],
    [[{ name: "b", type: "link", linkname: "/etc/passwd" }], /not in the layer/],
    [[{ name: "b", type: "link", linkname: "" }], /links to the root/],
    [[{ name: "b", type: "link", linkname: "./" }], /links to the root/],
    [
      [
        { name: "d/", type: "directory" },
        { name: "b", type: "link", linkname: "d" },
      ],
      /EPERM/,
    ],
    [[{ name: "b", type: "link", linkname: "b" }], /not in the layer/],
    [[{ name: ".wh." }], /whiteout of no name/],
    [[{ name: ".wh.." }], /whiteout of no name/],
    [[{ name: "d/.wh..." }], /whiteout of no name/],
    [[{ name: "a" }, { name: "a/b" }], /"a\/b": openat2 "a": ENOTDIR/],
    [[{ name: "x".repeat(256) }], /ENAMETOOLONG/],
    [[{ name: `${"a".repeat(200)}/`.repeat(22) }], /ENAMETOOLONG/],
    [[{ name: "l", type: "symlink", linkname: "l" }, { name: "l/x" }], /ELOOP/],
    [[{ name: "l", type: "symlink", linkname: "" }], /links to nothing/],
  ] as [TarInput[], RegExp][])("%j is refused", async (entries, message) => {
    const error = { code: "invalid-argument", message: expect.stringMatching(message) as string };
    await expect(unpack(entries)).rejects.toMatchObject(error);
  });

  test.each(["", ".", "./", "/", "//", "./."])("the root is not replaced by %j", async (name) => {
    const before = statSync(root).ino;
    const types = ["symlink", "link", "fifo", "character-device", "block-device"] as const;
    for (const type of types) {
      const entries = [{ name, type, linkname: base, mode: 0o4755 }, { name: "escaped" }];
      await expect(unpack(entries)).rejects.toThrow(/makes the root a/);
    }
    expect(lstatSync(root)).toMatchObject({ ino: before, mode: 0o040755 });
    expect(readdirSync(base)).toEqual(["root"]);
  });

  test("the root is described by an entry of its own", async () => {
    const mtime = new Date(1_000_000_000_000);
    await unpack([{ name: "./", type: "directory", mode: 0o750, uid: 3, mtime }, { name: "a" }]);
    expect(lstatSync(root)).toMatchObject({ mode: 0o040750, uid: 3, mtimeMs: mtime.getTime() });
  });

  test("the late time of a folder reaches no link that has replaced it", async () => {
    const victim = path.join(base, "victim");
    mkdirSync(path.join(victim, "b"), { recursive: true });
    const before = [victim, path.join(victim, "b")].map((file) => lstatSync(file));
    await unpack([
      { name: "a/b/", type: "directory", mode: 0o777, mtime: new Date(1_000) },
      { name: "a", type: "symlink", linkname: victim },
      { name: "c/", type: "directory", mode: 0o777, mtime: new Date(1_000) },
      { name: "c", type: "symlink", linkname: victim },
    ]);
    expect([victim, path.join(victim, "b")].map((file) => lstatSync(file))).toEqual(before);
    expect(readlinkSync(at("a"))).toBe(victim);
  });

  test("a whiteout through a link marks nothing outside", async () => {
    mkdirSync(path.join(base, "victim/d"), { recursive: true });
    await unpack([
      { name: "a", type: "symlink", linkname: path.join(base, "victim") },
      { name: "a/.wh.d" },
      { name: "a/.wh..wh..opq" },
      { name: "a/.wh..wh.plnk" },
    ]);
    expect(attributes(path.join(base, "victim"))).toEqual({});
    expect(attributes(path.join(base, "victim/d"))).toEqual({});
    expect(attributes(at(`${base}/victim`))).toEqual({ "trusted.overlay.opaque": "79" });
    expect(readdirSync(at(`${base}/victim`))).toEqual(["d"]);
  });

  test("a hard link to a link is one to the link itself", async () => {
    writeFileSync(path.join(base, "secret"), "outside", { mode: 0o600 });
    await unpack([
      { name: "a", type: "symlink", linkname: path.join(base, "secret") },
      { name: "b", type: "link", linkname: "a", mode: 0o4777 },
    ]);
    expect(readlinkSync(at("b"))).toBe(path.join(base, "secret"));
    expect(lstatSync(path.join(base, "secret"))).toMatchObject({ mode: 0o100600, nlink: 1 });
  });

  test("an entry that comes twice replaces the first, a folder only if it is none", async () => {
    await unpack([
      { name: "a/b", content: "1" },
      { name: "a/", type: "directory", mode: 0o700 },
      { name: "a/b", content: "2", mode: 0o600 },
      { name: "c/d/e", content: "x" },
      { name: "c", content: "file now" },
    ]);
    expect(readFileSync(at("a/b"), "utf8")).toBe("2");
    expect(lstatSync(at("a")).mode & 0o7777).toBe(0o700);
    expect(readFileSync(at("c"), "utf8")).toBe("file now");
  });

  test("only attributes that are a program's or a user's own are kept", async () => {
    const capability = Buffer.from("0100000200200000000000000000000000000000", "hex");
    const kept = { "security.capability": capability, "user.note": Buffer.from([0xff, 0, 1]) };
    const lost = {
      "trusted.overlay.redirect": Buffer.from("/"),
      "trusted.overlay.opaque": Buffer.from("y"),
      "user.overlay.opaque": Buffer.from("y"),
      "security.selinux": Buffer.from("x"),
    };
    const unpacked = await unpack([
      { name: "a", uid: 5, mode: 0o755, attributes: kept },
      { name: "b", type: "directory", attributes: lost },
    ]);
    expect(unpacked.attributesLost).toBe(1);
    expect(attributes(at("a"))).toEqual({
      "security.capability": capability.toString("hex"),
      "user.note": "ff0001",
    });
    expect(attributes(at("b"))).toEqual({});
  });

  test("names that are no UTF-8 stay as they are", async () => {
    const tar = await buffer(writeTar([{ name: "?", content: "x" }]));
    tar[0] = 0xff;
    tar.write("000000 ", 148);
    const sum =
      tar.subarray(0, 512).reduce((a, b) => a + b, 0) -
      tar.subarray(148, 156).reduce((a, b) => a + b, 0) +
      8 * 32;
    tar.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    using directory = Directory.open(root);
    await unpackLayer(Readable.from([tar]), directory, reserve);
    expect(readdirSync(root, { encoding: "buffer" })).toEqual([Buffer.from([0xff])]);
  });

  test("too many entries and too much content are refused", async () => {
    const entries = [
      { name: "a", content: "12345" },
      { name: "b", content: "12345" },
    ];
    const limits = { entries: 100, size_bytes: 100 };
    await expect(unpack(entries, { ...limits, entries: 1 })).rejects.toThrow(/more than/);
    await expect(unpack(entries, { ...limits, size_bytes: 9 })).rejects.toThrow(/more than/);
    await expect(unpack(entries, limits)).resolves.toMatchObject({ entries: 2, size_bytes: 10 });
  });

  test("directories that names and links imply count as entries, and on the disk", async () => {
    let taken_bytes = 0;
    const counting = { take: async (bytes: number) => void (taken_bytes += bytes) };
    const limits = { entries: 500, size_bytes: 100 };
    const deep = (name: string) => `${name}${"/d".repeat(400)}/f`;
    const unpackCounted = async (entries: TarInput[]) => {
      using directory = Directory.open(root);
      return await unpackLayer(writeTar(entries), directory, counting, limits);
    };
    const unpacked = await unpackCounted([{ name: deep("a") }]);
    expect(unpacked.entries).toBe(402);
    expect(taken_bytes).toBeGreaterThanOrEqual(402 * FILE_BYTES);
    await expect(unpackCounted([{ name: deep("b") }, { name: deep("c") }])).rejects.toMatchObject({
      code: "resource-exhausted",
    });
    const link = { name: "l", type: "symlink", linkname: deep("d") } as const;
    await expect(unpackCounted([link, { name: "l/f" }, { name: deep("e") }])).rejects.toMatchObject(
      { code: "resource-exhausted" },
    );
  });

  test("deep names are refused: an entry's directories are made in one turn", async () => {
    const deep = (parts: number) => `${"d/".repeat(parts - 1)}f`;
    await unpack([{ name: deep(LAYER_DEPTH) }]);
    const more = { name: deep(LAYER_DEPTH + 1) };
    const link = { name: "l", type: "link", linkname: more.name } as const;
    for (const entry of [more, link]) {
      await expect(unpack([entry])).rejects.toThrow(/is nested more than 500 deep/);
    }
  });

  test("attributes count on the disk", async () => {
    let taken_bytes = 0;
    const counting = { take: async (bytes: number) => void (taken_bytes += bytes) };
    using directory = Directory.open(root);
    const attributes = { "user.a": Buffer.alloc(2_000) };
    await unpackLayer(writeTar([{ name: "a", attributes }]), directory, counting);
    expect(taken_bytes).toBeGreaterThanOrEqual(FILE_BYTES + 2_000);
  });

  test("a layer's directories are remembered once, within their memory", async () => {
    const long = `${"n".repeat(200)}/`.repeat(19);
    const again = { name: long, type: "directory" } as const;
    await unpack([again, again, { ...again, mtime: new Date(7_000) }]);
    expect(lstatSync(at(long)).mtimeMs).toBe(7_000);
    const many = Array.from({ length: 5 }, (_, i) => ({ ...again, name: `${long}${i}/` }));
    const limits = { entries: 100, size_bytes: 100, directories_bytes: 4 * long.length };
    await expect(unpack(many, limits)).rejects.toMatchObject({ code: "resource-exhausted" });
    await expect(
      unpack(Array<TarInput>(5).fill(again), { ...limits, entries: 5 }),
    ).resolves.toMatchObject({ entries: 5 });
  });

  test("the times of many directories are set over several turns of the loop", async () => {
    const tar = await buffer(
      writeTar(
        Array.from({ length: 3_000 }, (_, i) => ({ name: `${i % 100}/${i}/`, type: "directory" })),
      ),
    );
    let [ended, turns] = [false, 0];
    async function* source() {
      yield tar;
      ended = true;
    }
    const count = () => {
      if (ended) turns++;
      next = setImmediate(count);
    };
    let next = setImmediate(count);
    using directory = Directory.open(root);
    await unpackLayer(source(), directory, reserve);
    clearImmediate(next);
    expect(turns).toBeGreaterThan(1);
  });

  test("whiteouts become what overlayfs reads", async () => {
    await unpack([
      { name: "d/", type: "directory" },
      { name: "d/.wh.gone" },
      { name: "d/.wh.back" },
      { name: "d/back", content: "x" },
    ]);
    const gone = lstatSync(at("d/gone"));
    expect([gone.isCharacterDevice(), gone.rdev]).toEqual([true, 0]);
    expect(readFileSync(at("d/back"), "utf8")).toBe("x");
  });
});
