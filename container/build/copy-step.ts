import { utimesSync } from "node:fs";
import { mkdtempDisposable } from "node:fs/promises";
import path from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { openFile } from "@raft2kube/linux/beneath/open-file.ts";
import { DiskReserve } from "@raft2kube/runtime/image/disk-reserve.ts";
import { BLOCK_BYTES, decodeHeader } from "@raft2kube/runtime/image/tar/header.ts";
import { unpackLayer } from "@raft2kube/runtime/image/unpack.ts";
import { resolveUser } from "@raft2kube/runtime/oci/user.ts";
import { codeOf } from "@raft2kube/std/errors.ts";
import { given } from "@raft2kube/std/given.ts";
import { type CopyOptions, copyContent, copyEntry, makeOwned, targetOf } from "../files/copy.ts";
import { decompressed } from "../files/decompress.ts";
import type { Builder } from "./builder.ts";
import { badLine, type Instruction } from "./parse.ts";
import { type Source } from "./source.ts";

/** A file that is no source's: its place on this machine, and its name and mode as a copy. */
export type MadeFile = { name: string; file: string; mode: number };

/** One COPY or ADD, with all that it takes. */
export interface CopyStep {
  instruction: Instruction;
  source: Source;
  places: readonly string[];
  /** Here-documents and what was downloaded. */
  files: readonly MadeFile[];
  /** Absolute, with a slash at its end where it was given so. */
  destination: string;
  unpacks: boolean;
}

function modeOf({ flags, line }: Instruction): number | undefined {
  const text = flags.get("chmod")?.at(-1);
  if (text === undefined) return undefined;
  if (/^[0-7]{3,5}$/.test(text)) return Number.parseInt(text, 8);
  throw badLine(line, `--chmod=${text}: only octal modes are supported`);
}

/** A tree that is copied from, and one that is copied to. */
interface Copying {
  root: Directory;
  target: Directory;
  options: CopyOptions;
  /** A folder on the disk of the target. */
  work: string;
}

/** Copies into the root of a step; `--chown` has names of the image, and a user's group. */
export async function copyInto(
  rootfs: string,
  step: CopyStep,
  now_ms: number,
  { work, signal }: Pick<Builder, "work" | "signal">,
): Promise<void> {
  const { instruction, source, places, destination, files } = step;
  const chown = instruction.flags.get("chown")?.at(-1)?.replace(/^\d+$/, "$&:$&");
  const owner = chown === undefined ? undefined : resolveUser(rootfs, chown);
  const mode = modeOf(instruction);
  const { keepsOwners, isIgnored: leaveOut } = source;
  const options = { now_ms, signal, keepsOwners, leaveOut, ...given({ owner, mode }) };
  if (places.length + files.length > 1 && !destination.endsWith("/")) {
    const why = `${instruction.name} of several files needs a folder: end it with /`;
    throw badLine(instruction.line, why);
  }
  using target = Directory.open(rootfs);
  using root = Directory.open(source.root);
  for (const place of places) await copyPlace({ root, target, options, work }, place, step);
  for (const { name, file, mode: own } of files) {
    utimesSync(file, now_ms / 1000, now_ms / 1000);
    using folder = Directory.open(path.dirname(file));
    const made = { ...options, keepsOwners: false, mode: mode ?? own };
    const copying = { root: folder, target, options: made, work };
    await copyFile(copying, path.basename(file), targetOf(target, destination, name));
  }
}

/** Copies a file to a folder, which is made. */
async function copyFile(
  { root, target, options }: Copying,
  place: string,
  at: { folder: string; name: string },
): Promise<void> {
  const name = path.posix.basename(place);
  using parent = makeOwned(target, at.folder, options.owner);
  using from = root.directory(path.posix.dirname(place), { links: "inside" });
  using handle = root.handle(place, { links: "inside" });
  await copyEntry({ parent: from, name, handle }, { parent, name: at.name }, options);
}

async function copyPlace(
  copying: Copying,
  place: string,
  { destination, unpacks }: CopyStep,
): Promise<void> {
  const { root, target, options } = copying;
  const inside = destination.replace(/^\/+/, "").replace(/\/+$/, "") || ".";
  using handle = root.handle(place || ".", { links: "inside" });
  if (handle.stats().isDirectory()) {
    using content = root.directory(place || ".", { links: "inside" });
    using into = makeOwned(target, inside, options.owner);
    return await copyContent(content, into, options, place);
  }
  if (unpacks && (await unpackArchive(copying, place, inside))) return;
  await copyFile(copying, place, targetOf(target, destination, path.posix.basename(place)));
}

/** Whether a file is a tar, compressed or not: its first header says so, not its name. */
async function isTar(root: Directory, place: string): Promise<boolean> {
  // Reading its start alone closes the file.
  await using file = await openFile(root, place, { links: "inside" });
  if (file === undefined) return false;
  const start: Buffer[] = [];
  let size = 0;
  try {
    const content = await decompressed(file.createReadStream({ start: 0, autoClose: false }));
    for await (const chunk of content as AsyncIterable<Buffer>) {
      start.push(chunk);
      size += chunk.length;
      if (size >= BLOCK_BYTES) break;
    }
    if (size >= BLOCK_BYTES) decodeHeader(Buffer.concat(start).subarray(0, BLOCK_BYTES));
    return size >= BLOCK_BYTES;
  } catch (error) {
    if (/^(invalid-argument$|Z_|ZSTD_)/.test(codeOf(error) ?? "")) return false;
    throw error;
  }
}

/** Unpacks a tar in a folder; false for what is none. Nothing in it can leave the folder. */
async function unpackArchive(
  { root, target, options, work }: Copying,
  place: string,
  inside: string,
): Promise<boolean> {
  if (!(await isTar(root, place))) return false;
  await using file = await openFile(root, place, { links: "inside" });
  if (file === undefined) return false;
  // Other stages of the build unpack at the same time.
  await using fresh = await mkdtempDisposable(path.join(work, "archive-"));
  using unpacked = Directory.open(fresh.path);
  const tar = await decompressed(file.createReadStream({ start: 0, autoClose: false }));
  await unpackLayer(tar as AsyncIterable<Buffer>, unpacked, new DiskReserve(work));
  using into = target.makeDirectories(inside, 0o755, { links: "inside" });
  const { mode: _, leaveOut: __, ...rest } = options;
  await copyContent(unpacked, into, { ...rest, replaces: true, keepsOwners: true });
  return true;
}
