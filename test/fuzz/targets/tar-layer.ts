import { lstatSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { removeTree } from "@raft2kube/linux/beneath/remove-tree.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { BLOCK_BYTES, checksumOf } from "@raft2kube/runtime/image/tar/header.ts";
import { type TarInput, writeTar } from "@raft2kube/runtime/image/tar/write.ts";
import { unpackLayer } from "@raft2kube/runtime/image/unpack.ts";
import type { Target } from "../target.ts";

/** Leads from a layer's root to the folder beside it, and by a name that a change can shorten. */
const OUT = "../beside";
const long = "n".repeat(120);
const LAYERS: readonly TarInput[][] = [
  [
    { name: "./", type: "directory" },
    { name: "etc/", type: "directory", mtime: new Date(5e12) },
    { name: "etc/a", mode: 0o4755, content: "text" },
    { name: "etc/b", type: "link", linkname: "etc/a" },
    { name: "etc/c", type: "symlink", linkname: "/etc/a" },
  ],
  [
    { name: "out", type: "symlink", linkname: OUT },
    { name: "out/x", content: "x" },
    { name: "out", type: "directory", mtime: new Date(5e9) },
    { name: "d/.wh.gone" },
    { name: "d/.wh..wh..opq" },
    { name: ".wh...x" },
  ],
  [
    { name: `${long}/${long}`, content: Buffer.alloc(1_000, 7) },
    { name: "l", type: "link", linkname: `${long}/${long}` },
    { name: "f", type: "fifo" },
    { name: "n", type: "character-device", devmajor: 1, devminor: 3 },
    { name: "p", attributes: { "user.a": Buffer.from([1, 0, 2]), "trusted.overlay.opaque": OUT } },
  ].map((entry) => entry as TarInput),
];
const LIMITS = { entries: 100, size_bytes: 1 << 20 };
const budget = { take: () => Promise.resolve() };
let made: string | undefined;

/** A folder with one to unpack in, and one beside it that must stay as it is. */
function makeFolders(): string {
  const folder = mkdtempSync(join(tmpdir(), "r2k-fuzz-"));
  mkdirSync(join(folder, "beside/x"), { recursive: true });
  writeFileSync(join(folder, "beside/file"), "", { mode: 0o600 });
  return folder;
}

/** All that a layer could have changed of what is beside it. */
function look(folder: string): string {
  const seen = ["", "beside", "beside/x", "beside/file"].map((name) => {
    const { mode, uid, gid, nlink, mtimeMs } = lstatSync(join(folder, name));
    const names = name === "beside/file" ? [] : readdirSync(join(folder, name));
    return name === "" ? [names, mode, uid] : [name, names, mode, uid, gid, nlink, mtimeMs];
  });
  return JSON.stringify(seen);
}

/** A layer of an image, unpacked beneath its root. */
export const tarLayer: Target = {
  name: "tar-layer",
  corpus: async () => Promise.all(LAYERS.map((entries) => buffer(writeTar(entries)))),
  seal(bytes) {
    for (let at = 0; at + BLOCK_BYTES <= bytes.length; at += BLOCK_BYTES) {
      const block = bytes.subarray(at, at + BLOCK_BYTES);
      if (block.toString("latin1", 257, 262) !== "ustar") continue;
      block.write(`${checksumOf(block).toString(8).padStart(6, "0")}\0 `, 148, "latin1");
    }
    return bytes;
  },
  async read(bytes) {
    made ??= makeFolders();
    using folder = Directory.open(made);
    folder.makeDirectory("root", 0o755);
    const before = look(made);
    try {
      using root = folder.directory("root");
      await unpackLayer(Readable.from([bytes]), root, budget, LIMITS);
      return "taken";
    } catch (thrown) {
      const refusals = ["invalid-argument", "resource-exhausted"];
      if (thrown instanceof RuntimeError && refusals.includes(thrown.code)) return "refused";
      throw thrown;
    } finally {
      if (look(made) !== before) throw new Error(`the layer left its root: ${look(made)}`);
      await removeTree(folder, "root");
    }
  },
  close() {
    if (made) rmSync(made, { recursive: true });
    made = undefined;
  },
};
