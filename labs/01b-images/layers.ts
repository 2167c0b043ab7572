import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { mount, unmount } from "@raft2kube/linux/mount/mount.ts";
import { inUserNamespace, readMappedIds } from "@raft2kube/linux/namespace/user-namespace.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { digestOf } from "@raft2kube/runtime/image/blobs.ts";
import { type TarInput, writeTar } from "@raft2kube/runtime/image/tar/write.ts";
import { unpackLayer } from "@raft2kube/runtime/image/unpack.ts";
import { type Judgement, judge } from "../judge.ts";
import { isUnwritten } from "../must.ts";

const reserve = { take: () => Promise.resolve() };

/** A folder for the layers of one check. */
export class Layers implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "r2k-images-"));
  #count = 0;

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  at(...names: string[]): string {
    return join(this.folder, ...names);
  }

  /** Makes an empty folder. */
  make(name = `layer-${this.#count++}`): string {
    mkdirSync(this.at(name), { recursive: true });
    return this.at(name);
  }

  /** Unpacks a layer's tar into a folder of its own, which it returns. */
  async unpack(entries: readonly TarInput[]): Promise<string> {
    const folder = this.make();
    using root = Directory.open(folder);
    await unpackLayer(writeTar([...entries]), root, reserve);
    return folder;
  }

  /** The paths that a container would see on these layers, the topmost last. */
  seen(...layers: string[]): string[] {
    const root = this.make("root");
    const lower = [this.make("empty"), ...layers].reverse();
    const marks = inUserNamespace(readMappedIds()) ? ",userxattr" : "";
    const data = `lowerdir=${lower.join(":")}${marks}`;
    mount({ source: "overlay", target: root, type: "overlay", data });
    try {
      return pathsIn(root);
    } finally {
      unmount(root, { detach: true });
    }
  }
}

/** All paths beneath a folder, folders with a slash at the end. */
export function pathsIn(folder: string, below = ""): string[] {
  return readdirSync(join(folder, below))
    .sort()
    .flatMap((name) => {
      const path = `${below}${name}`;
      if (!lstatSync(join(folder, path)).isDirectory()) return [path];
      return [`${path}/`, ...pathsIn(folder, `${path}/`)];
    });
}

/** A layer's tar with its hash, the diff id. */
export async function tarOf(entries: readonly TarInput[]) {
  const tar = await buffer(writeTar([...entries]) as Readable);
  return { tar, diffId: digestOf(tar) };
}

export const textOf = (file: string) => readFileSync(file, "utf8");

/** Fails unless `work` refuses the layer by an error that blames it, in any words. */
export async function mustRefuse(
  work: () => Promise<unknown> | unknown,
  judgement: Omit<Judgement, "happened" | "expected">,
): Promise<void> {
  let happened = "it was taken";
  try {
    await work();
  } catch (thrown) {
    if (isUnwritten(thrown)) throw thrown;
    if (thrown instanceof RuntimeError && thrown.code === "invalid-argument") return;
    happened =
      thrown instanceof RuntimeError ? `${thrown.code}: ${thrown.message}` : String(thrown);
  }
  judge(false, { ...judgement, happened, expected: "it is refused as invalid-argument" });
}
