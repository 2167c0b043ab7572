import { execFileSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { codeOf } from "@raft2kube/std/errors.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { testFolder } from "../../../testing/folders.ts";
import { Directory, type Links } from "./directory.ts";
import { removePath, removeTree } from "./remove-tree.ts";
import { treeUsage } from "./tree-usage.ts";
import { walk, walkAside } from "./walk.ts";

let base: string;
let root: Directory;
const at = (name: string) => path.join(base, "root", name);
const outside = (name: string) => path.join(base, name);
beforeEach(() => {
  base = testFolder("r2k-beneath-");
  mkdirSync(path.join(base, "root/a/b"), { recursive: true });
  writeFileSync(path.join(base, "root/a/b/file"), "inside");
  writeFileSync(path.join(base, "secret"), "outside", { mode: 0o600 });
  root = Directory.open(path.join(base, "root"));
});
afterEach(() => root[Symbol.dispose]());

/** The errno's name that a call fails with. */
function failure(call: () => unknown): string | undefined {
  try {
    call();
  } catch (error) {
    return codeOf(error);
  }
  return "nothing failed";
}
const text = (name: string, links: Links) =>
  root.readFile(name, { links, limit_bytes: 100 }).toString();

test("a path is looked up beneath the directory, links refused", () => {
  symlinkSync(base, at("out"));
  symlinkSync("a", at("in"));
  symlinkSync("../../secret", at("a/up"));
  expect(text("a/b/file", "refuse")).toBe("inside");
  expect(text("a/b/../b/file", "refuse")).toBe("inside");
  const refused = ["out/secret", "in/b/file", "a/up", "../secret", outside("secret"), "a/../.."];
  expect(refused.map((name) => failure(() => text(name, "refuse")))).toEqual([
    "ELOOP",
    "ELOOP",
    "ELOOP",
    "EXDEV",
    "EXDEV",
    "EXDEV",
  ]);
});

test("links may be followed as if the directory were the root", () => {
  symlinkSync("/a/b", at("absolute"));
  symlinkSync("../../../a/b", at("climbing"));
  symlinkSync(outside("secret"), at("leading-out"));
  symlinkSync("/proc/self/root", at("magic"));
  expect(text("absolute/file", "inside")).toBe("inside");
  expect(text("climbing/file", "inside")).toBe("inside");
  expect(failure(() => text("leading-out", "inside"))).toBe("ENOENT");
  expect(failure(() => text(`magic${outside("secret")}`, "inside"))).toBe("ENOENT");
});

test("links may be followed as long as they stay beneath the directory", () => {
  symlinkSync("b", at("a/near"));
  symlinkSync("../a/b/file", at("a/around"));
  symlinkSync("/a/b", at("absolute"));
  symlinkSync("../../secret", at("a/up"));
  expect(text("a/near/file", "beneath")).toBe("inside");
  expect(text("a/around", "beneath")).toBe("inside");
  expect(["absolute/file", "a/up"].map((name) => failure(() => text(name, "beneath")))).toEqual([
    "EXDEV",
    "EXDEV",
  ]);
});

test("links of /proc that jump are refused", () => {
  using proc = Directory.open("/proc");
  expect(failure(() => proc.handle("self/root", { links: "inside" }))).toBe("ELOOP");
});

test("a directory is not opened through a link under its own name", () => {
  symlinkSync(base, at("out"));
  expect(failure(() => Directory.open(at("out")))).toBe("ENOTDIR");
});

test.each(["", ".", "..", "a/x", "/x", "x\0y"])("the single name %j is refused", (name) => {
  const changes = [
    () => root.makeDirectory(name, 0o755),
    () => root.makeSymlink(name, "x"),
    () => root.makeNode(name, 0o010644),
    () => root.makeLink(name, root, "a"),
    () => root.makeLink("x", root, name),
    () => root.rename("a", root, name),
    () => root.rename(name, root, "x"),
    () => root.remove(name, { directory: true }),
    () => root.remove(name),
  ];
  for (const change of changes) expect(failure(change)).toBe("EINVAL");
  expect(readdirSync(at(""))).toEqual(["a"]);
});

test("names are made and removed in the directory itself", () => {
  root.makeDirectory("d", 0o700);
  root.makeSymlink("link", outside("secret"));
  root.makeNode("fifo", 0o010600);
  using d = root.directory("d");
  d.makeLink("again", root, "link");
  d.rename("again", root, "moved");
  expect(lstatSync(at("moved")).ino).toBe(lstatSync(at("link")).ino);
  expect(statSync(at("fifo")).isFIFO()).toBe(true);
  root.remove("moved");
  root.remove("d", { directory: true });
  expect(readdirSync(at("")).sort()).toEqual(["a", "fifo", "link"]);
});

test("what is done to a handle is done to its file, whatever has the name by then", () => {
  writeFileSync(at("file"), "x", { mode: 0o600 });
  using handle = root.handle("file");
  root.rename("file", root, "moved");
  root.makeSymlink("file", outside("secret"));
  handle.chown(-1, -1);
  handle.chmod(0o6755);
  handle.setTimes(1_000, 2_500);
  expect(lstatSync(at("moved")).mode & 0o7777).toBe(0o6755);
  expect(lstatSync(at("moved")).mtimeMs).toBe(2_500);
  expect(lstatSync(outside("secret")).mode & 0o7777).toBe(0o600);
});

test("a link's handle changes the link or refuses, never what it leads to", () => {
  root.makeSymlink("link", outside("secret"));
  using link = root.handle("link");
  const before = lstatSync(outside("secret"));
  link.setTimes(0, 1_000);
  expect(failure(() => link.chmod(0o777))).toBe("ELOOP");
  expect(failure(() => link.setAttribute("user.x", Buffer.from("y")))).toBe("ELOOP");
  expect(failure(() => link.reopen(0))).toBe("ELOOP");
  expect(link.readLink().toString()).toBe(outside("secret"));
  expect(lstatSync(at("link")).mtimeMs).toBe(1_000);
  expect(lstatSync(outside("secret"))).toEqual(before);
});

test("a file is read up to its bound, and only if it is one", () => {
  root.makeNode("fifo", 0o010600);
  expect(failure(() => text("fifo", "refuse"))).toBe("EINVAL");
  expect(failure(() => text("a", "refuse"))).toBe("EINVAL");
  expect(failure(() => root.readFile("a/b/file", { limit_bytes: 5 }))).toBe("EFBIG");
  expect(root.readFile("a/b/file", { limit_bytes: 6 }).toString()).toBe("inside");
});

test("missing directories are made where the links lead, inside", () => {
  symlinkSync(`${base}/x`, at("absolute"));
  symlinkSync("../../../y", at("a/climbing"));
  symlinkSync("loop", at("loop"));
  const make = (name: string) => {
    using made = root.makeDirectories(name, 0o755, { links: "inside" });
    made.makeDirectory("here", 0o755);
  };
  make("absolute/sub");
  make("a/climbing/sub");
  make("new/../../other");
  expect(existsSync(at(`${base}/x/sub/here`))).toBe(true);
  expect(existsSync(at("y/sub/here"))).toBe(true);
  expect(existsSync(at("other/here"))).toBe(true);
  expect(readdirSync(base).sort()).toEqual(["root", "secret"]);
  expect(failure(() => make("loop/x"))).toBe("ELOOP");
  expect(failure(() => make("a/b/file/x"))).toBe("ENOTDIR");
  expect(failure(() => root.makeDirectories("absolute/z", 0o755))).toBe("ELOOP");
});

test("a walk meets everything once, folders after their content, no link followed", () => {
  symlinkSync(base, at("a/out"));
  const met = [...walk(root)].map(({ name, stats }) => `${name}${stats.isDirectory() ? "/" : ""}`);
  expect(met.toSorted()).toEqual(["a/", "b/", "file", "out"]);
  expect(met.indexOf("file")).toBeLessThan(met.indexOf("b/"));
  expect(met.at(-1)).toBe("a/");
});

test("a tree is removed without what its links lead to", async () => {
  symlinkSync(base, at("a/out"));
  symlinkSync(outside("secret"), at("a/b/secret"));
  writeFileSync(Buffer.concat([Buffer.from(at("a/")), Buffer.from([0xff, 0xfe])]), "no UTF-8");
  for (let i = 0; i < 1_000; i++) writeFileSync(at(`a/b/${i}`), "");
  await removeTree(root, "a");
  await removeTree(root, "a");
  expect(readdirSync(at(""))).toEqual([]);
  expect(readFileSync(outside("secret"), "utf8")).toBe("outside");
});

test("the blocks of a large file are freed by another thread", async () => {
  writeFileSync(at("a/large"), Buffer.alloc(1 << 20));
  let isOver = false;
  const removing = removeTree(root, "a").then(() => {
    isOver = true;
  });
  for (let turn = 0; turn < 1_000; turn++) await Promise.resolve();
  expect([existsSync(at("a/large")), isOver]).toEqual([false, false]);
  await removing;
  expect(readdirSync(at(""))).toEqual([]);
});

test("a large directory is read, and removed, by another thread", async () => {
  const names = Array.from({ length: 14_000 }, (_, index) => `${index}${"-".repeat(50)}`);
  mkdirSync(at("a/many"));
  writeFileSync(at("first"), "");
  for (const name of names) linkSync(at("first"), at(`a/many/${name}`));
  expect(await treeUsage(at("a/many"))).toMatchObject({ inodes: 1 });
  const met = new Set<string>();
  using many = root.directory("a/many");
  for (const one of walkAside(many)) {
    if (one instanceof Promise) await one;
    else met.add(String(one.name));
  }
  expect(met.size).toBe(names.length);
  const removing = removeTree(root, "a");
  for (let turn = 0; turn < 1_000; turn++) await Promise.resolve();
  expect(readdirSync(at("a/many"))).toHaveLength(names.length);
  await removing;
  expect(readdirSync(at(""))).toEqual(["first"]);
});

test("large files of one owner wait for each other, those of another owner do not", async () => {
  const gone: string[] = [];
  const remove = async (owner: string, name: string) => {
    writeFileSync(at(name), Buffer.alloc(1 << 20));
    await removeTree(root, name, owner);
    gone.push(owner);
  };
  const names = Array.from({ length: 50 }, (_, index) => `large${index}`);
  await Promise.all([...names.map((name) => remove("a", name)), remove("b", "other")]);
  expect(gone.indexOf("b")).toBeLessThan(names.length);
});

test("a path is removed, and one that is not there is no error", async () => {
  symlinkSync(outside("secret"), at("a/link"));
  await removePath(at("a"));
  await removePath(at("a"));
  await removePath(at("none/x"));
  expect(readdirSync(at(""))).toEqual([]);
  expect(existsSync(outside("secret"))).toBe(true);
});

test("a tree that is deeper than any path may be is removed", async () => {
  let deepest = root.directory("a");
  for (let level = 0; level < 3_000; level++) {
    using above = deepest;
    above.makeDirectory("d", 0o755);
    deepest = above.directory("d");
  }
  deepest.makeSymlink("out", base);
  deepest[Symbol.dispose]();
  expect(failure(() => [...walk(root)])).toBe("ELOOP");
  await removeTree(root, "a");
  expect(readdirSync(at(""))).toEqual([]);
});

describe.runIf(process.getuid?.() === 0)("with privileges", () => {
  test("attributes and owners", () => {
    using file = root.handle("a/b/file");
    file.chown(5, 6);
    file.setAttribute("trusted.overlay.opaque", Buffer.from("y"));
    file.setAttribute("user.bytes", Buffer.from([0, 255]));
    expect(file.attributes()).toEqual(
      new Map([
        ["trusted.overlay.opaque", Buffer.from("y")],
        ["user.bytes", Buffer.from([0, 255])],
      ]),
    );
    expect(lstatSync(at("a/b/file"))).toMatchObject({ uid: 5, gid: 6 });
  });

  test("a mount point is not crossed", async () => {
    execFileSync("mount", ["--bind", path.join(base), at("a/b")]);
    try {
      expect(failure(() => [...walk(root)])).toBe("EXDEV");
      await expect(removeTree(root, "a")).rejects.toMatchObject({ code: "EXDEV" });
    } finally {
      execFileSync("umount", [at("a/b")]);
    }
    expect(readFileSync(outside("secret"), "utf8")).toBe("outside");
  });
});

test("a file is made through its directory", () => {
  const fd = root.open("new", 0o101 | 0o200, { mode: 0o640 });
  closeSync(fd);
  expect(lstatSync(at("new")).mode & 0o7777).toBe(0o640);
  symlinkSync(outside("made"), at("dangling"));
  expect(failure(() => root.open("dangling", 0o101, { mode: 0o640 }))).toBe("ELOOP");
  expect(existsSync(outside("made"))).toBe(false);
});
