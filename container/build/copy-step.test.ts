import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { writeTar } from "@raft2kube/runtime/image/tar/write.ts";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { copyInto } from "./copy-step.ts";
import { parseDockerfile } from "./parse.ts";

let base: string;
beforeEach(() => {
  base = testFolder("r2k-copy-");
  for (const name of ["context", "work", "root"]) mkdirSync(at(name));
});
const at = (...names: string[]) => path.join(base, ...names);

function copy(place: string, root: string, how: { destination: string; unpacks?: boolean }) {
  const instruction = parseDockerfile("FROM x\nADD a /d/")[1]!;
  const isIgnored = () => false;
  const source = { root: at("context"), isIgnored, leavesOut: false, keepsOwners: false };
  const what = { instruction, source, places: [place], files: [] };
  const builder = { work: at("work"), signal: new AbortController().signal };
  return copyInto(at(root), { ...what, unpacks: false, ...how }, 0, builder);
}

/** ADD of a place in the context to /d/ in a root. */
const add = (place: string, root: string) =>
  copy(place, root, { destination: "/d/", unpacks: true });

const asRoot = test.runIf(process.getuid?.() === 0);

asRoot("ADD unpacks what is a tar, whatever its name, and copies all else", async () => {
  const tar = await buffer(writeTar([{ name: "inside", content: "x" }]));
  const packed = { a: tar, b: gzipSync(tar), "c.txt": zstdCompressSync(tar) };
  const plain = {
    ...{ "d.tar": Buffer.from("text"), "e.tar.gz": gzipSync("text"), "f.tgz": Buffer.alloc(0) },
    ...{ "g.tar": Buffer.alloc(1_024), "h.tar.gz": gzipSync(tar).subarray(0, 20) },
  };
  for (const [name, content] of Object.entries({ ...packed, ...plain })) {
    writeFileSync(at("context", name), content);
    await add(name, "root");
    const isPlain = name in plain;
    expect([name, readdirSync(at("root/d"))]).toEqual([name, [isPlain ? name : "inside"]]);
    if (isPlain) expect(readFileSync(at("root/d", name))).toEqual(content);
    rmSync(at("root/d"), { recursive: true });
  }
});

asRoot(
  "COPY goes through a link that it names, and replaces no directory or link by the other",
  async () => {
    const put = (place: string, destination: string) => copy(place, "root", { destination });
    mkdirSync(at("context/lib"));
    mkdirSync(at("root/usr/lib"), { recursive: true });
    for (const place of ["context/f", "context/lib/f", "root/usr/old"])
      writeFileSync(at(place), place);
    symlinkSync("usr/lib", at("root/lib"));
    symlinkSync("../old", at("root/lib/file"));
    symlinkSync("/new/gone", at("root/gone"));
    await put("f", "/lib/file");
    await put("f", "/gone");
    await put("lib", "/lib");
    const contents = ["usr/old", "new/gone", "usr/lib/f"].map((place) => {
      return readFileSync(at("root", place), "utf8");
    });
    expect(contents).toEqual(["context/f", "context/f", "context/lib/f"]);
    await expect(put("", "/")).rejects.toThrow("lib is in the way of a directory to copy");
    for (const name of ["lib", "f"]) rmSync(at("root", name));
    mkdirSync(at("root/f"));
    await expect(put("", "/")).rejects.toThrow("f is in the way of a file to copy");
  },
);

asRoot("stages unpack archives at the same time", async () => {
  const stages = Array.from({ length: 4 }, (_, stage) => `${stage}`);
  await Promise.all(
    stages.map(async (stage) => {
      mkdirSync(at(stage));
      const entries = Array.from({ length: 50 }, (_, each) => ({ name: `${stage}-${each}` }));
      const tar = writeTar(entries.map((entry) => ({ ...entry, content: "x" })));
      writeFileSync(at("context", `${stage}.tar`), await buffer(tar));
      await add(`${stage}.tar`, stage);
    }),
  );
  for (const stage of stages) {
    const names = readdirSync(at(stage, "d"));
    expect(names.filter((name) => name.startsWith(`${stage}-`))).toHaveLength(50);
    expect(names).toHaveLength(50);
  }
  expect(readdirSync(at("work"))).toEqual([]);
});
