import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from "node:fs";
import path from "node:path";
import { Readable } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { buildDemoImages } from "../build/demo-images.ts";
import { buildImage } from "../build/image-builder.ts";
import { RuntimeError } from "../errors.ts";
import {
  ARCHIVE_ENTRIES,
  ARCHIVE_IMAGES,
  ARCHIVE_NAME_BYTES,
  DISK_RESERVE_SHARE,
  IMAGE_NAMES_MAX,
  LAYER_RATIO_FREE_BYTES,
} from "../limits.ts";
import { loadArchive, saveArchive } from "./archive.ts";
import { digestOf } from "./blobs.ts";
import { decompress, unzstd } from "./compression.ts";
import type { ImageDefaults } from "./config.ts";
import { MediaType } from "./manifest.ts";
import { ImageStore } from "./store.ts";
import { type TarInput, writeTar } from "./tar/write.ts";

let base: string;
let inUse: string[];
const open = async (name: string) => {
  const store = new ImageStore(path.join(base, name), () => inUse);
  await store.open();
  return store;
};
beforeEach(() => {
  base = testFolder("r2k-images-");
  inUse = [];
});

/** An image of these layers, in the store. */
const addLayers = (
  store: ImageStore,
  name: string,
  layers: TarInput[][],
  pull?: Parameters<ImageStore["add"]>[3],
) =>
  store.receive(async () => {
    const put = async (bytes: Buffer) => ({
      ...{ mediaType: MediaType.ociLayer, size: bytes.length },
      digest: await store.blobs.put(bytes),
    });
    const json = (value: object) => put(Buffer.from(JSON.stringify(value)));
    const made = [];
    for (const entries of layers) made.push(await put(await buffer(writeTar(entries))));
    const rootfs = { type: "layers", diff_ids: made.map(({ digest }) => digest) };
    const config = await json({ rootfs });
    const { digest } = await json({ schemaVersion: 2, config, layers: made });
    return store.add(name, digest, digest, pull);
  });

const programs = { busybox: "/bin/busybox", init: "/usr/bin/catatonit" };

describe.runIf(process.getuid?.() === 0)("the image store", () => {
  test("demo images are built once and survive a restart", async () => {
    const store = await open("a");
    expect(await buildDemoImages(store, programs)).toHaveLength(3);
    expect(await buildDemoImages(store, programs)).toEqual([]);
    const again = await open("a");
    const image = again.get("r2k.local/busybox:1");
    expect(again.get(image.id).repoTags).toEqual(["r2k.local/busybox:1"]);
    expect(again.get(image.repoDigests[0]!).id).toBe(image.id);
    const [lower] = again.lowerDirectories(image);
    expect(existsSync(path.join(lower!, "bin/busybox"))).toBe(true);
    expect(readdirSync(path.join(lower!, "usr/bin")).length).toBeGreaterThan(50);
    expect(() => again.get("r2k.local/none:1")).toThrow(/not found/);
  });

  test("a layer that an image has twice is one lower directory, at its upper place", async () => {
    const store = await open("a");
    const [twice, between] = [digestOf(Buffer.from("a")), digestOf(Buffer.from("b"))];
    const folders = store.lowerDirectories({ diffIds: [twice, between, twice] });
    expect(folders).toEqual([twice, between].map((diffId) => store.layers.folder(diffId)));
  });

  test("of one namespace's layers two are unpacked at a time, beside those of others", async () => {
    const store = await open("a");
    const gate = Promise.withResolvers<void>();
    const opened: string[] = [];
    const openBlob = store.blobs.open.bind(store.blobs);
    store.blobs.open = (digest) => {
      opened.push(digest);
      const held = async function* () {
        await gate.promise;
        yield* openBlob(digest);
      };
      return Readable.from(held());
    };
    const left = new AbortController();
    const add = (name: string, namespace: string, signal?: AbortSignal) =>
      addLayers(store, `x/${name}:1`, [[{ name }]], { namespace, ...(signal && { signal }) });
    const begun = ["a", "b"].map((name) => add(name, "one"));
    await vi.waitFor(() => expect(opened).toHaveLength(2));
    const late = add("c", "one", left.signal);
    begun.push(add("d", "two"));
    await vi.waitFor(() => expect(opened).toHaveLength(3));
    left.abort();
    gate.resolve();
    await expect(late).rejects.toThrow(/aborted/);
    const images = await Promise.all(begun);
    expect(new Set(images.flatMap(({ diffIds }) => diffIds))).toEqual(new Set(opened));
  });

  test("a directory that a layer uses and does not describe is as in the layers beneath", async () => {
    const store = await open("a");
    const app = [
      { name: "tmp/x", content: "x" },
      { name: "new/y", content: "y" },
    ];
    const tmp = (mode: number, uid: number) => [
      { name: "tmp/", type: "directory" as const, mode, uid, gid: uid },
    ];
    const seen = async (name: string, ...layers: TarInput[][]) => {
      const image = await addLayers(store, name, layers);
      const [top] = store.lowerDirectories(image);
      return ["tmp", "new"].map((each) => {
        const { mode, uid, gid } = statSync(path.join(top!, each));
        return [mode & 0o7777, uid, gid];
      });
    };
    const plain = [0o755, 0, 0];
    expect(await seen("x/alone:1", app)).toEqual([plain, plain]);
    const shared = tmp(0o1777, 0);
    expect(await seen("x/one:1", shared, [{ name: "z" }], app)).toEqual([[0o1777, 0, 0], plain]);
    // The same layer on another base, and on what hides the directory.
    expect(await seen("x/two:1", tmp(0o700, 65532), app)).toEqual([[0o700, 65532, 65532], plain]);
    expect(await seen("x/three:1", shared, [{ name: ".wh.tmp" }], app)).toEqual([plain, plain]);
    expect(await seen("x/one:1", shared, [{ name: "z" }], app)).toEqual([[0o1777, 0, 0], plain]);
    const folders = () => readdirSync(path.join(base, "a/layers")).length;
    const before = folders();
    await store.remove("x/two:1");
    expect(folders()).toBe(before - 4); // its base and its own variant, with their states
  });

  test("an image's manifest and configuration stay on disk until they are asked for", async () => {
    const store = await open("a");
    await buildDemoImages(store, programs);
    const { id, config, user } = store.get("r2k.local/web:1");
    expect(config.config?.User ?? "").toBe(user);
    rmSync(path.join(base, "a/blobs", id.replace(":", "/")));
    expect(store.list().map((image) => image.repoTags[0])).toContain("r2k.local/web:1");
    expect(() => store.get(id).config).toThrow();
    expect(() => store.get(id).manifest).toThrow();
  });

  test("an image leaves as an archive and comes back with the same digest", async () => {
    const store = await open("a");
    await buildDemoImages(store, programs);
    const other = await open("b");
    expect(await loadArchive(other, await saveArchive(store, "r2k.local/web:1"))).toEqual([
      "r2k.local/web:1",
    ]);
    expect(other.get("r2k.local/web:1").id).toBe(store.get("r2k.local/web:1").id);
  });

  test("names of images are bounded: those of the image with most that came last go", async () => {
    const layers = [[{ name: "file" }]];
    const store = await open("a");
    await addLayers(store, "x/y:1", layers);
    await addLayers(store, "x/other:1", [[{ name: "other" }]]);
    const file = path.join(base, "a/images.json");
    type Index = { state: { references: Record<string, object> } };
    const index = JSON.parse(readFileSync(file, "utf8")) as Index;
    const [target = {}, ...others] = Object.values(index.state.references);
    expect(others).toHaveLength(1);
    const nameOf = (at: number) => `r.example/${at}:1`;
    const last = IMAGE_NAMES_MAX - 3;
    for (let at = 0; at <= last; at++) index.state.references[nameOf(at)] = target;
    writeFileSync(file, JSON.stringify(index));
    await addLayers(store, "x/new:1", layers);
    const kept = ["x/y:1", "x/other:1", nameOf(0), nameOf(last - 1), "x/new:1"];
    expect(kept.filter((name) => store.find(name) === undefined)).toEqual([]);
    expect(store.find(nameOf(last))).toBeUndefined();
  });

  test("an archive of too many files, long names or many images is refused", async () => {
    const store = await open("a");
    const link = { name: "l", type: "symlink", linkname: "x" } as const;
    const load = (entries: Iterable<TarInput>) => loadArchive(store, writeTar(entries));
    await expect(load(Array<TarInput>(ARCHIVE_ENTRIES + 1).fill(link))).rejects.toThrow(
      /more than \d+ files/,
    );
    const linkname = "x".repeat(ARCHIVE_NAME_BYTES + 1);
    await expect(load([{ ...link, linkname }])).rejects.toThrow(/a name of more than/);
    const RepoTags = Array.from({ length: ARCHIVE_IMAGES + 1 }, (_, i) => `r.example/a:${i}`);
    const saved = JSON.stringify([{ Config: "c", RepoTags, Layers: [] }]);
    await expect(load([{ name: "manifest.json", content: saved }])).rejects.toMatchObject({
      code: "resource-exhausted",
    });
    const manifests = RepoTags.map((name) => ({
      mediaType: "",
      size: 0,
      digest: `sha256:${"0".repeat(64)}`,
      annotations: { "io.containerd.image.name": name },
    }));
    const index = JSON.stringify({ schemaVersion: 2, manifests });
    await expect(load([{ name: "index.json", content: index }])).rejects.toMatchObject({
      code: "resource-exhausted",
    });
  });

  test("an image that cannot be used is refused, and one on disk is left out", async () => {
    const store = await open("a");
    await buildDemoImages(store, programs);
    const bad = { User: {} } as unknown as ImageDefaults;
    const recipe = { name: "r2k.local/bad:1", entries: [{ name: "bad" }], config: bad };
    await expect(buildImage(store, recipe)).rejects.toThrow(/the config.config.User is not a text/);
    expect(store.list()).toHaveLength(3);
    expect(store.find("r2k.local/bad:1")).toBeUndefined();
    // As a version that took it would have left it.
    const good = await buildImage(store, { ...recipe, config: {} });
    const { id } = store.get("r2k.local/bad:1");
    const file = path.join(base, "a/blobs", id.replace(":", "/"));
    const config = JSON.parse(readFileSync(file, "utf8")) as object;
    writeFileSync(file, JSON.stringify({ ...config, config: bad }));
    const again = await open("a");
    expect(
      again
        .list()
        .map(({ repoTags }) => repoTags[0])
        .toSorted(),
    ).toEqual(["r2k.local/busybox:1", "r2k.local/web:1", "r2k.local/web:2"]);
    expect(again.find("r2k.local/bad:1")).toBeUndefined();
    rmSync(path.join(base, "a/blobs", good.replace(":", "/")));
    expect((await open("a")).list()).toHaveLength(3);
    await buildImage(again, { ...recipe, config: {} });
    expect(again.get("r2k.local/bad:1").id).toBe(id);
  });

  test("an image has no layer whose content is not in its own blobs", async () => {
    const store = await open("a");
    const entries = [{ name: "secret", content: "of another tenant" }];
    await buildImage(store, { name: "r2k.local/private:1", entries, config: {} });
    const { manifest, config } = store.get("r2k.local/private:1");
    /** An image that says it has the private one's layer, and brings this blob for it. */
    const claim = (name: string, blob: Buffer) =>
      store.receive(async () => {
        const put = async (content: Buffer) => ({
          digest: await store.blobs.put(content),
          size: content.length,
        });
        const gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
        const document = {
          schemaVersion: 2,
          config: { ...manifest.config, ...(await put(Buffer.from(JSON.stringify(config)))) },
          layers: [{ mediaType: gzip, ...(await put(blob)) }],
        };
        return store.add(name, (await put(Buffer.from(JSON.stringify(document)))).digest);
      });
    await expect(claim("r2k.local/thief:1", gzipSync("nothing"))).rejects.toMatchObject({
      code: "failed-precondition",
    });
    expect(store.find("r2k.local/thief:1")).toBeUndefined();
    const layer = await store.blobs.read(manifest.layers[0]!.digest, 1 << 20);
    // A content may be compressed in several ways; twice, as the blob is known then.
    for (const name of ["r2k.local/owner:1", "r2k.local/owner:2"]) {
      expect((await claim(name, gzipSync(layer))).config).toEqual(config);
    }
  });

  test("what a refused image left is removed, unless its source was unreachable", async () => {
    const store = await open("a");
    const leave = (code: "unavailable" | "invalid-argument") =>
      store.receive(async () => {
        await store.blobs.put(Buffer.from("content"));
        throw new RuntimeError(code, "x");
      });
    // Leftovers from before the start are removed first.
    await store.receive(() => Promise.resolve());
    await expect(leave("unavailable")).rejects.toThrow("x");
    expect(await store.blobs.list()).toHaveLength(1);
    await expect(leave("invalid-argument")).rejects.toThrow("x");
    expect(await store.blobs.list()).toEqual([]);
  });

  test("garbage is collected beside a pull that never ends, which keeps what it needs", async () => {
    const store = await open("a");
    await buildDemoImages(store, programs);
    const web = store.get("r2k.local/web:1");
    const [folder] = store.lowerDirectories(web);
    const ended = Promise.withResolvers<void>();
    const begun = Promise.withResolvers<string>();
    const content = Buffer.from("of the pull");
    const pulling = store.pull(async (hold) => {
      hold(digestOf(content));
      hold(web.manifestDigest);
      begun.resolve(await store.blobs.put(content));
      await ended.promise;
    });
    const digest = await begun.promise;
    const refused = store.pull(async () => {
      await store.blobs.put(Buffer.from("of a pull that is refused"));
      throw new RuntimeError("invalid-argument", "x");
    });
    await expect(refused).rejects.toThrow("x");
    for (const name of ["busybox:1", "web:1", "web:2"]) await store.remove(`r2k.local/${name}`);
    expect(existsSync(folder!)).toBe(false);
    const left = [digest, web.manifestDigest].sort();
    expect((await store.blobs.list()).sort()).toEqual(left);
    // Another process does not know what the pull needs.
    const other = await open("a");
    await other.collect();
    expect((await store.blobs.list()).sort()).toEqual(left);
    ended.resolve();
    await pulling;
    await other.collect();
    expect(await store.blobs.list()).toEqual([]);
  });

  test("a layer is collected while it is unpacked again for a pull", async () => {
    const store = await open("a");
    await buildDemoImages(store, programs);
    const { manifestDigest, blobs } = store.get("r2k.local/web:1");
    await store.pull(async (hold) => {
      for (const each of [manifestDigest, ...blobs.map(({ digest }) => digest)]) hold(each);
      for (const name of ["busybox:1", "web:1", "web:2"]) await store.remove(`r2k.local/${name}`);
      const added = store.add("r2k.local/again:1", manifestDigest);
      await Promise.all([added, store.collect(), store.collect()]);
    });
    const again = store.get("r2k.local/again:1");
    for (const folder of store.lowerDirectories(again)) expect(existsSync(folder)).toBe(true);
    expect(readdirSync(path.join(base, "a/layers"))).toHaveLength(2 * again.diffIds.length);
  });

  test("a layer is out of use before it is removed, which may take minutes", async () => {
    const store = await open("a");
    const { layers } = store;
    const image = await addLayers(store, "x/y:1", [[{ name: "file" }]]);
    await layers.retain(new Set());
    expect(await layers.usage(image.diffIds[0]!)).toBeUndefined();
    const [left = "", ...others] = readdirSync(path.join(base, "a/layers"));
    expect(others).toEqual([]);
    expect(readdirSync(path.join(base, "a/layers", left))).toEqual(["file"]);
    await layers.removeDiscarded();
    expect(readdirSync(path.join(base, "a/layers"))).toEqual([]);
  });

  test("images leave a part of the disk free", async () => {
    mkdirSync(path.join(base, "small"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=96m", "tmpfs", path.join(base, "small")]);
    try {
      const store = await open("small");
      const entries = [{ name: "zeros", content: Buffer.alloc(30 << 20) }];
      await buildImage(store, { name: "r2k.local/one:1", entries, config: {} });
      const more = [{ name: "ones", content: Buffer.alloc(30 << 20, 1) }];
      const second = buildImage(store, { name: "r2k.local/two:1", entries: more, config: {} });
      await expect(second).rejects.toMatchObject({ code: "resource-exhausted" });
      const { bavail, blocks } = statfsSync(path.join(base, "small"));
      expect(bavail / blocks).toBeGreaterThan(DISK_RESERVE_SHARE);
      expect(store.list().map(({ repoTags }) => repoTags)).toEqual([["r2k.local/one:1"]]);
    } finally {
      execFileSync("umount", ["-l", path.join(base, "small")]);
    }
  });

  test("zstd of several frames, as zstd:chunked has, is decompressed to its end", async () => {
    const skipped = Buffer.from("502a4d1802000000ffff", "hex");
    const [a, b] = [zstdCompressSync("a".repeat(1_000)), zstdCompressSync("b")];
    const whole = Buffer.concat([skipped, a, skipped, b, a, skipped]);
    for (const size of [1, 7, whole.length]) {
      const pieces = Array.from({ length: Math.ceil(whole.length / size) }, (_, at) =>
        whole.subarray(at * size, (at + 1) * size),
      );
      const plain = await text(decompress(Readable.from(pieces), "application/x.tar+zstd"));
      expect(plain).toBe(`${"a".repeat(1_000)}b${"a".repeat(1_000)}`);
    }
  });

  test("a layer whose compression ratio is too large is refused", async () => {
    // gzip members one after another unpack to their contents one after another (RFC 1952, 2.2).
    const zeros = gzipSync(Buffer.alloc(1 << 20));
    const bomb = Readable.from(Array.from({ length: 4_096 }, () => zeros));
    let given = 0;
    const unpack = async () => {
      for await (const chunk of decompress(bomb, "x+gzip")) given += chunk.length;
    };
    await expect(unpack()).rejects.toMatchObject({ code: "resource-exhausted" });
    expect(given).toBeLessThanOrEqual(LAYER_RATIO_FREE_BYTES);
    bomb.destroy();
  });

  test("zstd of many tiny frames is refused", async () => {
    const tiny = Buffer.concat(Array<Buffer>(20).fill(zstdCompressSync("x")));
    expect(await text(unzstd(Readable.from([tiny]), 20))).toBe("x".repeat(20));
    await expect(text(unzstd(Readable.from([tiny]), 10))).rejects.toThrow("11 frames of zstd");
  });

  test.each(["x+gzip", "x+zstd"])("damaged %s is the image's fault", async (type) => {
    const read = async () => {
      for await (const chunk of decompress(Readable.from([Buffer.from("no such data")]), type)) {
        expect(chunk).toBeUndefined();
      }
    };
    await expect(read()).rejects.toMatchObject({ code: "invalid-argument" });
  });

  test("removing an image keeps the layers of a container", async () => {
    const store = await open("a");
    await buildDemoImages(store, programs);
    const web = store.get("r2k.local/web:1");
    const [folder] = store.lowerDirectories(web);
    inUse = web.config.rootfs.diff_ids;
    await store.remove("r2k.local/web:1");
    expect(store.find("r2k.local/web:1")).toBeUndefined();
    expect(existsSync(folder!)).toBe(true);
    inUse = [];
    await store.remove("r2k.local/web:2");
    expect(existsSync(folder!)).toBe(false);
    expect(store.list().map((image) => image.repoTags)).toEqual([["r2k.local/busybox:1"]]);
  });
});
