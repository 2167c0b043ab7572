import { execFileSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  existsSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { leaseOn } from "../../../testing/lease.ts";
import { withSwapper } from "../../../testing/swapper.ts";
import { mount, unmount } from "../mount/mount.ts";
import { copyTree } from "./copy-tree.ts";
import { Directory } from "./directory.ts";
import { removePath } from "./remove-tree.ts";

const FOREVER = new AbortController().signal;

let base: string;
let source: string;
beforeEach(() => {
  base = mkdtempSync(path.join(tmpdir(), "r2k-copy-"));
  source = path.join(base, "source");
  mkdirSync(source);
});
afterEach(() => removePath(base));

async function copy(name = "copy", signal = FOREVER): Promise<string> {
  const target = path.join(base, name);
  mkdirSync(target);
  using from = Directory.open(source);
  using to = Directory.open(target);
  await copyTree(from, to, signal);
  return target;
}

const at = (name: string) => path.join(source, name);

test("files, directories and links are copied with modes and times", async () => {
  mkdirSync(at("a/b"), { recursive: true });
  writeFileSync(at("a/b/file"), "text".repeat(700_000));
  chmodSync(at("a/b/file"), 0o4750);
  symlinkSync("b/file", at("a/link"));
  linkSync(at("a/b/file"), at("a/b/again"));
  execFileSync("mkfifo", [at("fifo")]);
  chmodSync(at("a/b"), 0o2711);
  utimesSync(at("a/b"), 1_000, 2_000);
  const target = await copy();
  const of = (name: string) => lstatSync(path.join(target, name));
  const content = readFileSync(path.join(target, "a/b/file"));
  expect(content.equals(readFileSync(at("a/b/file")))).toBe(true);
  expect(readlinkSync(path.join(target, "a/link"))).toBe("b/file");
  expect(of("a/b/again").ino).toBe(of("a/b/file").ino);
  expect(of("fifo").isFIFO()).toBe(true);
  expect([of("a/b").mode & 0o7777, of("a/b/file").mode & 0o7777]).toEqual([0o2711, 0o4750]);
  expect(of("a/b").mtimeMs).toBe(2_000_000);
});

test("names of one file stay such below names that are no text, and deeper than a path", async () => {
  const bytes = Buffer.concat([Buffer.from(`${source}/`), Buffer.from([0xff, 0xfe])]);
  mkdirSync(bytes);
  const inBytes = (name: string) => Buffer.concat([bytes, Buffer.from(`/${name}`)]);
  writeFileSync(inBytes("file"), "");
  linkSync(inBytes("file"), inBytes("again"));
  const names = Array.from({ length: 20 }, () => "d".repeat(255));
  const deepest = (top: Directory, made: boolean) =>
    names.reduce((above, name) => {
      using held = above;
      if (made) held.makeDirectory(name, 0o755);
      return held.directory(name);
    }, top);
  const below = deepest(Directory.open(source), true);
  writeFileSync(`/proc/self/fd/${below.fd}/file`, "");
  below.makeLink("again", below, "file");
  below[Symbol.dispose]();
  const target = await copy();
  const copied = Buffer.concat([Buffer.from(`${target}/`), Buffer.from([0xff, 0xfe])]);
  expect(lstatSync(Buffer.concat([copied, Buffer.from("/again")])).nlink).toBe(2);
  using found = deepest(Directory.open(target), false);
  expect([...found.names()].map(String).sort()).toEqual(["again", "file"]);
});

test("names of many files with long paths take a bounded memory", async () => {
  const deep = Array.from({ length: 15 }, () => "d".repeat(255)).join("/");
  mkdirSync(at(deep), { recursive: true });
  const numbers = Array.from({ length: 9_000 }, (_, number) => number);
  // By its descriptor: the kernel need not look up fifteen directories for each file.
  const inDeep = <T>(top: string, each: (folder: string) => T): T => {
    using held = Directory.open(path.join(top, deep));
    return each(`/proc/self/fd/${held.fd}`);
  };
  inDeep(source, (folder) => {
    for (const number of numbers) {
      writeFileSync(`${folder}/${number}`, "");
      linkSync(`${folder}/${number}`, `${folder}/${number}.again`);
    }
  });
  const target = await copy();
  const links = inDeep(target, (folder) =>
    numbers.map((number) => lstatSync(`${folder}/${number}`).nlink),
  );
  expect(new Set(links)).toEqual(new Set([1, 2]));
});

test("holes stay holes", async () => {
  writeFileSync(at("sparse"), "begin");
  truncateSync(at("sparse"), 64 << 20);
  const target = await copy();
  const { size, blocks } = statSync(path.join(target, "sparse"));
  expect(size).toBe(64 << 20);
  expect(blocks * 512).toBeLessThan(2 << 20);
  expect(readFileSync(path.join(target, "sparse")).subarray(0, 6).toString()).toBe("begin\0");
});

test("holes are not read: a file may have terabytes of them", async () => {
  const size = 2 ** 43;
  const file = openSync(at("sparse"), "w");
  ftruncateSync(file, size);
  writeSync(file, "middle", size / 2);
  writeSync(file, "end", size - 3);
  closeSync(file);
  const target = path.join(await copy(), "sparse");
  expect(statSync(target).size).toBe(size);
  const copied = openSync(target, "r");
  const read = (length: number, offset: number) => {
    const bytes = Buffer.alloc(length);
    readSync(copied, bytes, 0, length, offset);
    return bytes.toString();
  };
  expect([read(6, size / 2), read(3, size - 3)]).toEqual(["middle", "end"]);
  closeSync(copied);
});

test("a file on which a program has a lease is refused, not waited for", async () => {
  writeFileSync(at("leased"), "text");
  using _ = leaseOn(at("leased"));
  await expect(copy()).rejects.toThrow("EAGAIN");
});

test("a copy that is aborted ends, and closes what it has opened", async () => {
  for (let i = 0; i < 10; i++) writeFileSync(at(String(i)), "x");
  const opened = () => readdirSync("/proc/self/fd").length;
  const before = opened();
  await expect(copy("copy", AbortSignal.abort(new Error("late")))).rejects.toThrow("late");
  expect(opened()).toBe(before);
});

describe.runIf(process.getuid?.() === 0)("as root", () => {
  test("files whose inode numbers are alike as doubles are copied apart", async () => {
    const layers = ["upper", "lower"].map((name) => path.join(base, name));
    for (const layer of layers) {
      mkdirSync(layer);
      mount({ source: "tmpfs", target: layer, type: "tmpfs" });
    }
    try {
      for (const name of ["1", "2"]) {
        writeFileSync(path.join(layers[1]!, name), name);
        linkSync(path.join(layers[1]!, name), path.join(layers[1]!, `${name}.again`));
      }
      // overlayfs puts the layer into the highest bits of an inode number.
      const data = `lowerdir=${layers.join(":")},xino=on`;
      mount({ source: "overlay", target: source, type: "overlay", data });
      try {
        expect(statSync(at("1")).ino).toBe(statSync(at("2")).ino);
        const target = await copy();
        const contentOf = (name: string) => readFileSync(path.join(target, name), "utf8");
        const names = ["1", "1.again", "2", "2.again"];
        expect(names.map(contentOf)).toEqual(["1", "1", "2", "2"]);
      } finally {
        unmount(source);
      }
    } finally {
      for (const layer of layers) unmount(layer);
    }
  });

  test("owners, devices and attributes are copied", async () => {
    writeFileSync(at("file"), "");
    execFileSync("chown", ["5:6", at("file")]);
    execFileSync("mknod", [at("null"), "c", "1", "3"]);
    using from = Directory.open(source);
    using file = from.handle("file");
    file.setAttribute("trusted.r2k", Buffer.from("kept"));
    const target = await copy();
    expect(lstatSync(path.join(target, "file"))).toMatchObject({ uid: 5, gid: 6 });
    expect(lstatSync(path.join(target, "null")).rdev).toBe(lstatSync("/dev/null").rdev);
    using to = Directory.open(target);
    using made = to.handle("file");
    expect(made.attributes().get("trusted.r2k")?.toString()).toBe("kept");
  });
});

test("a directory that is swapped for a link meanwhile leads to nothing outside", async () => {
  const secrets = path.join(base, "secrets");
  mkdirSync(secrets);
  writeFileSync(path.join(secrets, "secret"), "");
  await withSwapper(source, secrets, "directory", async () => {
    for (let round = 0; round < 100; round++) {
      const target = await copy(`copy${round}`);
      const found = ["target", "spare", "link"].filter((name) => {
        const place = path.join(target, name);
        return (
          existsSync(place) &&
          lstatSync(place).isDirectory() &&
          existsSync(path.join(place, "secret"))
        );
      });
      expect(found).toEqual([]);
    }
  });
});
