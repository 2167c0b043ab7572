import { existsSync, lstatSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { writeTar, type TarInput } from "./tar.ts";
import { unpackLayer, type UnpackLimits } from "./unpack.ts";
import { isWhiteout } from "./whiteout.ts";

let base: string;
let root: string;
beforeEach(() => {
  base = mkdtempSync(path.join(tmpdir(), "r2k-unpack-"));
  root = path.join(base, "root");
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

async function unpack(entries: TarInput[], limits?: UnpackLimits) {
  return unpackLayer(writeTar(entries), root, limits);
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
      0o4755, 7, 8, 2, mtime.getTime(),
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
    [{ name: "../x", content: "" }, /leads out/],
    [{ name: "a/../../x", content: "" }, /leads out/],
    [{ name: "b", type: "link", linkname: "../../etc/passwd" }, /leads out/],
    [{ name: "b", type: "link", linkname: "/etc/passwd" }, /not in the layer/],
  ] as [TarInput, RegExp][])("%j is refused", async (entry, message) => {
    await expect(unpack([entry])).rejects.toThrow(message);
  });

  test("too many entries and too much content are refused", async () => {
    const entries = [{ name: "a", content: "12345" }, { name: "b", content: "12345" }];
    const limits = { entries: 100, size_bytes: 100 };
    await expect(unpack(entries, { ...limits, entries: 1 })).rejects.toThrow(/more than/);
    await expect(unpack(entries, { ...limits, size_bytes: 9 })).rejects.toThrow(/more than/);
    await expect(unpack(entries, limits)).resolves.toMatchObject({ entries: 2, size_bytes: 10 });
  });

  test("whiteouts become what overlayfs reads", async () => {
    await unpack([
      { name: "d/", type: "directory" },
      { name: "d/.wh.gone" },
      { name: "d/.wh.back" },
      { name: "d/back", content: "x" },
    ]);
    expect(isWhiteout(lstatSync(at("d/gone")))).toBe(true);
    expect(readFileSync(at("d/back"), "utf8")).toBe("x");
  });
});
