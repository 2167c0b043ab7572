import {
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { removeTree } from "@raft2kube/linux/beneath/remove-tree.ts";
import { beforeEach, describe, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { CountedTurns } from "../../testing/turns.ts";
import { FILES_OF_POD_MAX } from "../limits.ts";
import { AtomicWriter, type Payload } from "./atomic-writer.ts";

let dir: string;
let writer: AtomicWriter;
beforeEach(async () => {
  writer = new AtomicWriter();
  dir = testFolder("r2k-atomic-");
});

const payload = (files: Record<string, string>, mode = 0o644): Payload =>
  new Map(Object.entries(files).map(([path, text]) => [path, { text, encoding: "utf8", mode }]));
const write = (files: Record<string, string>, mode?: number) =>
  writer.write(dir, payload(files, mode), { owner: "team", own: async () => {} });
const many = (text: string) =>
  Object.fromEntries(Array.from({ length: FILES_OF_POD_MAX }, (_, index) => [`${index}`, text]));
/** Counts the turns that the event loop has until then. */
async function turnsDuring(what: Promise<unknown>): Promise<number> {
  using turns = new CountedTurns();
  await what;
  return turns.now;
}

describe("a projected volume", () => {
  test("shows files through ..data with their modes", async () => {
    expect(await write({ a: "1", "sub/b": "2" }, 0o400)).toBe(true);
    expect(await readFile(join(dir, "a"), "utf8")).toBe("1");
    expect(await readFile(join(dir, "sub/b"), "utf8")).toBe("2");
    expect(await readlink(join(dir, "a"))).toBe("..data/a");
    expect((await stat(join(dir, "a"))).mode & 0o777).toBe(0o400);
  });

  test("changes as a whole: removed names go, the old directory too", async () => {
    await write({ a: "1", b: "2" });
    expect(await write({ a: "3", c: "4" })).toBe(true);
    const shown = (await readdir(dir)).filter((name) => !name.startsWith(".."));
    expect(shown.sort()).toEqual(["a", "c"]);
    expect(await readFile(join(dir, "a"), "utf8")).toBe("3");
    expect((await readdir(dir)).filter((name) => name.startsWith("..2")).length).toBe(1);
  });

  test("an equal payload is not written again", async () => {
    await write({ a: "1" });
    const before = await readlink(join(dir, "..data"));
    expect(await write({ a: "1" })).toBe(false);
    expect(await readlink(join(dir, "..data"))).toBe(before);
  });

  test("many files are written, and compared, in several turns", async () => {
    expect(await turnsDuring(write(many("1")))).toBeGreaterThan(0);
    writer = new AtomicWriter();
    expect(await turnsDuring(write(many("1")))).toBeGreaterThan(0);
  });

  test("is written while the former files of another owner's are freed", async () => {
    const large = "x".repeat(1 << 20);
    const written: string[] = [];
    const replace = async (owner: string, text: string) => {
      await mkdir(join(dir, owner), { recursive: true });
      await writer.write(join(dir, owner), payload({ a: text }), { owner, own: async () => {} });
      written.push(owner);
    };
    await replace("team", large);
    using held = Directory.open(dir);
    const names = Array.from({ length: 50 }, (_, index) => `large${index}`);
    await Promise.all(names.map((name) => writeFile(join(dir, name), large)));
    const removals = names.map((name) => removeTree(held, name, "team"));
    await Promise.all([replace("team", "1"), replace("other", "1"), ...removals]);
    expect(written).toEqual(["team", "other", "team"]);
  });

  test("an equal payload is not compared again, but in another directory mounted there", async () => {
    await write({ a: "1" });
    await rm(join(dir, "..data/a"));
    expect(await write({ a: "1" })).toBe(false);
    await rm(dir, { recursive: true });
    await mkdir(dir);
    expect(await write({ a: "1" })).toBe(true);
    writer.forget(dir);
    await rm(join(dir, "..data/a"));
    expect(await write({ a: "1" })).toBe(true);
  });

  test("links that an interrupted attempt left out are made", async () => {
    await write({ a: "1" });
    writer = new AtomicWriter();
    await rm(join(dir, "a"));
    expect(await write({ a: "1" })).toBe(false);
    expect(await readFile(join(dir, "a"), "utf8")).toBe("1");
  });

  test("a link that leads out of the volume is replaced, and nothing behind it", async () => {
    await write({ a: "1" });
    const outside = await mkdtemp(join(tmpdir(), "r2k-outside-"));
    await writeFile(join(outside, "a"), "1");
    for (const name of ["..data", "a", "..data_tmp"]) {
      await rm(join(dir, name), { force: true });
      await symlink(outside, join(dir, name));
    }
    expect(await write({ a: "1" })).toBe(true);
    expect(await readlink(join(dir, "a"))).toBe("..data/a");
    expect(await readFile(join(dir, "a"), "utf8")).toBe("1");
    expect(await readdir(outside)).toEqual(["a"]);
    await rm(outside, { recursive: true });
  });

  test.each(["../x", "/etc/passwd", "a/../../b", "..data"])("refuses the path %s", async (path) => {
    await expect(write({ [path]: "x" })).rejects.toMatchObject({ code: "InvalidPath" });
  });
});
