import { createReadStream, createWriteStream, writeSync } from "node:fs";
import { mkdtempDisposable } from "node:fs/promises";
import path from "node:path";
import { pipeline } from "node:stream/promises";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { openFile } from "@raft2kube/linux/beneath/open-file.ts";
import { DiskReserve } from "@raft2kube/runtime/image/disk-reserve.ts";
import { BLOCK_BYTES, decodeHeader } from "@raft2kube/runtime/image/tar/header.ts";
import { unpackLayer } from "@raft2kube/runtime/image/unpack.ts";
import { resolveUser } from "@raft2kube/runtime/oci/user.ts";
import { codeOf } from "@raft2kube/std/errors.ts";
import {
  type CopyOptions,
  copyContent,
  copyEntry,
  makeOwned,
  targetOf,
  writeFileAt,
} from "../files/copy.ts";
import { decompressed } from "../files/decompress.ts";
import type { Builder } from "./builder.ts";
import { badLine, type HereDocument, type Instruction } from "./parse.ts";
import { type Source } from "./source.ts";

/** One COPY or ADD, with all that it takes. */
export interface CopyStep {
  instruction: Instruction;
  source: Source;
  places: readonly string[];
  heredocs: readonly HereDocument[];
  /** Files with the content of URLs, by the name that each gets. */
  downloads: ReadonlyMap<string, string>;
  /** Absolute, with a slash at its end where it was given so. */
  destination: string;
  unpacks: boolean;
}

/** The owner of `--chown`, whose names are the image's; the group is the user's by default. */
function ownerOf(
  rootfs: string,
  text: string | undefined,
): { uid: number; gid: number } | undefined {
  if (text === undefined) return undefined;
  const isNumber = /^\d+$/.test(text);
  const { uid, gid } = resolveUser(rootfs, isNumber ? `${text}:${text}` : text);
  return { uid, gid };
}

function modeOf({ flags, line }: Instruction): number | undefined {
  const text = flags.get("chmod")?.at(-1);
  if (text === undefined) return undefined;
  if (/^[0-7]{3,5}$/.test(text)) return Number.parseInt(text, 8);
  throw badLine(line, `--chmod=${text}: only octal modes are supported`);
}

/** Copies into the root of a step. */
export async function copyInto(
  rootfs: string,
  step: CopyStep,
  now_ms: number,
  { work, signal }: Pick<Builder, "work" | "signal">,
): Promise<void> {
  const { instruction, source, places, destination, heredocs, downloads } = step;
  const owner = ownerOf(rootfs, instruction.flags.get("chown")?.at(-1));
  const mode = modeOf(instruction);
  const options: CopyOptions = {
    now_ms,
    signal,
    keepsOwners: source.keepsOwners,
    leaveOut: source.isIgnored,
    ...(owner && { owner }),
    ...(mode !== undefined && { mode }),
  };
  const count = places.length + heredocs.length + downloads.size;
  if (count > 1 && !destination.endsWith("/")) {
    throw badLine(
      instruction.line,
      `${instruction.name} of several files needs a folder: end it with /`,
    );
  }
  using target = Directory.open(rootfs);
  using root = Directory.open(source.root);
  for (const place of places) await copyPlace(root, place, target, step, options, work);
  const file = { ...(owner ?? { uid: 0, gid: 0 }), mtime_ms: now_ms };
  type Put = (fd: number) => Promise<void>;
  const write = async (name: string, put: Put, fileMode: number) => {
    const at = targetOf(target, destination, name);
    using parent = makeOwned(target, at.folder, owner);
    await writeFileAt(parent, at.name, put, { ...file, mode: mode ?? fileMode });
  };
  for (const { name, content } of heredocs) {
    await write(name, async (fd) => void writeSync(fd, content), 0o644);
  }
  for (const [name, from] of downloads) {
    const put = (fd: number) =>
      pipeline(createReadStream(from), createWriteStream("", { fd, autoClose: false }));
    await write(name, put, 0o600);
  }
}

async function copyPlace(
  root: Directory,
  place: string,
  target: Directory,
  step: CopyStep,
  options: CopyOptions,
  work: string,
): Promise<void> {
  const { destination } = step;
  const inside = destination.replace(/^\/+/, "").replace(/\/+$/, "") || ".";
  using handle = root.handle(place || ".", { links: "inside" });
  if (handle.stats().isDirectory()) {
    using content = root.directory(place || ".", { links: "inside" });
    using into = makeOwned(target, inside, options.owner);
    return await copyContent(content, into, options, place);
  }
  if (step.unpacks && (await unpackArchive(root, place, target, inside, options, work))) return;
  const at = targetOf(target, destination, path.posix.basename(place));
  using parent = makeOwned(target, at.folder, options.owner);
  using from = root.directory(path.posix.dirname(place), { links: "inside" });
  await copyEntry(
    { parent: from, name: path.posix.basename(place), handle },
    { parent, name: at.name },
    options,
  );
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
  root: Directory,
  place: string,
  target: Directory,
  inside: string,
  options: CopyOptions,
  work: string,
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
  const { owner: _, mode: __, leaveOut: ___, ...rest } = options;
  await copyContent(unpacked, into, {
    ...rest,
    replaces: true,
    ...(options.owner && { owner: options.owner }),
    keepsOwners: true,
  });
  return true;
}
