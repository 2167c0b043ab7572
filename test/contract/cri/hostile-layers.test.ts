import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { mountRootfs, unmountRootfs } from "@raft2kube/runtime/container/rootfs.ts";
import { pullImage } from "@raft2kube/runtime/image/pull.ts";
import { ImageStore } from "@raft2kube/runtime/image/store.ts";
import { type TarInput, writeTar } from "@raft2kube/runtime/image/tar/write.ts";
import { runtimePaths } from "@raft2kube/runtime/paths.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type DockerRegistry, pushImage, startDockerRegistry } from "./docker-registry.ts";

const clock = systemClock();

describe.runIf(process.getuid?.() === 0)("an image of hand-made layers, pulled", () => {
  let dir: string;
  let registry: DockerRegistry;
  let store: ImageStore;
  let victim: string;
  let pushed = 0;

  beforeAll(async () => {
    dir = mkdtempSync("/tmp/r2k-hostile-");
    registry = await startDockerRegistry(join(dir, "registry"));
  });
  afterAll(async () => {
    await registry.stop();
    rmSync(dir, { recursive: true, force: true });
  });
  beforeEach(async () => {
    rmSync(join(dir, "store"), { recursive: true, force: true });
    store = new ImageStore(join(dir, "store"), () => []);
    await store.open();
    victim = join(dir, "victim");
    mkdirSync(join(victim, "folder"), { recursive: true });
    writeFileSync(join(victim, "secret"), "the host's", { mode: 0o600 });
  });
  afterEach(() => rmSync(victim, { recursive: true, force: true }));

  /** Describes the host's folder with everything that an image could have changed in it. */
  const look = () =>
    ["", "folder", "secret"].map((name) => {
      const { mode, uid, mtimeMs, nlink } = lstatSync(join(victim, name));
      using handle = open(join(victim, name));
      return { name, mode, uid, mtimeMs, nlink, attributes: [...handle.attributes().keys()] };
    });
  const open = (file: string) => {
    using folder = Directory.open(join(file, ".."));
    return folder.handle(file.slice(file.lastIndexOf("/") + 1) || ".");
  };
  const pull = async (...layers: TarInput[][]) => {
    const tars = layers.map((entries) => writeTar(entries));
    const name = await pushImage(registry, `image-${++pushed}`, tars);
    return pullImage(store, name, { clock, endpoints: {} });
  };

  const link = (name: string, linkname = victim): TarInput => ({ name, type: "symlink", linkname });
  const suid: TarInput = { name: "shell", mode: 0o4755, content: "#!/bin/sh\n" };
  const late = { mode: 0o777, uid: 7, mtime: new Date(1_000) };

  test.each([
    ["a link named .", () => [link("."), suid]],
    ["a link named ./", () => [{ ...link("./") }, suid]],
    ["a link named /", () => [link("/"), suid]],
    ["a link without a name", () => [link(""), suid]],
    ["a whiteout of ..", () => [{ name: ".wh..." }]],
    ["a whiteout of .", () => [{ name: "a/.wh.." }]],
    ["a whiteout of nothing", () => [{ name: ".wh." }]],
    [
      "a hard link to the host's file",
      () => [{ name: "x", type: "link", linkname: join(victim, "secret") }],
    ],
    [
      "a hard link through a link",
      () => [link("out"), { name: "x", type: "link", linkname: "out/secret" }],
    ],
    ["a name with ..", () => [{ name: `a/../../../../../../../../${victim}/x` }]],
  ] as [string, () => TarInput[]][])("%s is refused", async (_, entries) => {
    const before = look();
    const others = readdirSync(join(dir, "store/layers"));
    await expect(pull(entries())).rejects.toMatchObject({ code: "invalid-argument" });
    expect(look()).toEqual(before);
    expect(readdirSync(victim).sort()).toEqual(["folder", "secret"]);
    expect(readdirSync(join(dir, "store/layers"))).toEqual(others);
    expect(store.list()).toEqual([]);
  });

  test.each([
    [
      "a folder's late time through a link",
      () => [{ name: "a/folder/", type: "directory", ...late }, link("a")],
    ],
    ["files through a link", () => [link("out"), { ...suid, name: "out/shell" }]],
    ["an opaque folder through a link", () => [link("out"), { name: "out/.wh..wh..opq" }]],
    ["a whiteout through a link", () => [link("out"), { name: "out/.wh.folder" }]],
    [
      "a folder through a link",
      () => [link("out"), { name: "out/folder/", type: "directory", ...late }],
    ],
    [
      "a link that climbs",
      () => [link("out", `../../../../../../../../..${victim}`), { ...suid, name: "out/shell" }],
    ],
    [
      "a link over a folder",
      () => [{ name: "d/", type: "directory" }, link("d"), { ...suid, name: "d/shell" }],
    ],
  ] as [string, () => TarInput[]][])("%s stays inside", async (_, entries) => {
    const before = look();
    await pull(entries());
    expect(look()).toEqual(before);
    expect(readdirSync(victim).sort()).toEqual(["folder", "secret"]);
  });

  test("a later layer reaches nothing of an earlier one", async () => {
    const image = await pull(
      [{ name: "a/b", content: "first" }],
      [link("a", `../${"../".repeat(20)}`), { name: "a/b", content: "second" }],
    );
    const [, first] = store.lowerDirectories(image);
    expect(readdirSync(first!)).toEqual(["a"]);
    expect(lstatSync(join(first!, "a/b")).size).toBe("first".length);
  });

  test("no user of the machine reaches the programs of an image", async () => {
    await pull([suid]);
    expect(lstatSync(join(dir, "store/layers")).mode & 0o7777).toBe(0o700);
  });

  test("a layer that is a link is not mounted, and is pulled again", async () => {
    const image = await pull([suid]);
    const [layer] = store.lowerDirectories(image);
    rmSync(layer!, { recursive: true });
    symlinkSync(victim, layer!);
    const paths = runtimePaths(join(dir, "run"), join(dir, "run")).container("x");
    await expect(mountRootfs(paths, [layer!])).rejects.toMatchObject({
      code: "failed-precondition",
    });
    expect(existsSync(join(paths.rootfs, "secret"))).toBe(false);
    const [name] = store.get(image.id).repoTags;
    await pullImage(store, name!, { clock, endpoints: {} });
    expect(lstatSync(layer!).isDirectory()).toBe(true);
    await mountRootfs(paths, [layer!]);
    expect(lstatSync(join(paths.rootfs, "shell")).mode & 0o7777).toBe(0o4755);
    await unmountRootfs(paths);
  });
});
