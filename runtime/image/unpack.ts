import { createWriteStream, linkSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { chmodSync, lchownSync, lutimesSync } from "node:fs";
import path from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { deviceNumber, FileType, makeNode } from "@raft2kube/linux/special-file.ts";
import { isMapped, type MappedIds, readMappedIds } from "@raft2kube/linux/user-namespace.ts";
import { LAYER_ENTRIES, LAYER_UNPACKED_BYTES } from "../limits.ts";
import { RuntimeError } from "../errors.ts";
import { resolveBeneath } from "./resolve-beneath.ts";
import { tarEntries, type Header } from "./tar.ts";
import { isWhiteout, makeOpaque, makeWhiteout, statOrNothing, whiteoutOf } from "./whiteout.ts";

/** What a layer held, and what of it could not be kept. */
export interface Unpacked {
  entries: number;
  size_bytes: number;
  /** Entries with extended attributes, which are not restored. */
  attributesLost: number;
  /** Entries of users or groups that do not exist in this user namespace: root has them. */
  ownersLost: number;
}

export interface UnpackLimits {
  entries: number;
  size_bytes: number;
}

const refuse = (header: Header, why: string) =>
  new RuntimeError("invalid-argument", `layer entry ${JSON.stringify(header.name)} ${why}`);

/** The parts of an entry's name below the root. A `..` is refused: no honest layer has one. */
function partsOf(header: Header, name: string): string[] {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) throw refuse(header, `leads out by ${JSON.stringify(name)}`);
  if (name.includes("\0")) throw refuse(header, "has a zero byte");
  return parts;
}

/** Where an entry goes: its folder with links resolved inside the root, and its last name. */
function place(root: string, header: Header, name: string): { parent: string; last: string } {
  const parts = partsOf(header, name);
  const last = parts.pop() ?? "";
  return { parent: resolveBeneath(root, parts.join("/")), last };
}

/** Removes what an entry replaces; true when that hid a name of lower layers. */
function clear(file: string, keepDirectory: boolean): boolean {
  const stats = statOrNothing(file);
  if (stats === undefined || (keepDirectory && stats.isDirectory())) return false;
  rmSync(file, { recursive: true, force: true });
  return isWhiteout(stats);
}

/** False when its owner does not exist here (EINVAL, user_namespaces(7)): it stays with root. */
function applyOwner(file: string, header: Header, ids: MappedIds): boolean {
  const { uid, gid } = { uid: header.uid ?? 0, gid: header.gid ?? 0 };
  const kept = isMapped(ids.users, uid) && isMapped(ids.groups, gid);
  if (kept) lchownSync(file, uid, gid);
  // After chown, which clears set-user-id; a link has no permissions of its own.
  if (header.type !== "symlink") chmodSync(file, (header.mode ?? 0o755) & 0o7777);
  return kept;
}

function makeDevice(file: string, header: Header): void {
  const type =
    header.type === "fifo"
      ? FileType.fifo
      : header.type === "block-device"
        ? FileType.block
        : FileType.character;
  makeNode(file, type, 0o600, deviceNumber(header.devmajor ?? 0, header.devminor ?? 0));
}

function makeHardLink(root: string, file: string, header: Header): void {
  const target = place(root, header, header.linkname ?? "");
  const source = path.join(target.parent, target.last);
  if (statOrNothing(source) === undefined) {
    throw refuse(header, `links to ${JSON.stringify(header.linkname)}, which is not in the layer`);
  }
  linkSync(source, file);
}

interface Entry {
  header: Header;
  body: Readable;
  ids: MappedIds;
}

/**
 * Makes one entry; its content, for a file, comes from `body`. False when its owner is not kept.
 */
async function makeEntry(
  root: string,
  file: string,
  { header, body, ids }: Entry,
): Promise<boolean> {
  switch (header.type) {
    case "directory": {
      const hid = clear(file, true);
      mkdirSync(file, { recursive: true });
      if (hid) makeOpaque(file);
      break;
    }
    case "file":
    case "contiguous-file":
      clear(file, false);
      await pipeline(body, createWriteStream(file, { flags: "wx", mode: 0o600 }));
      break;
    case "symlink":
      clear(file, false);
      symlinkSync(header.linkname ?? "", file);
      break;
    case "link":
      clear(file, false);
      makeHardLink(root, file, header);
      return true;
    case "character-device":
    case "block-device":
    case "fifo":
      clear(file, false);
      makeDevice(file, header);
      break;
    default:
      throw refuse(header, `is of type ${JSON.stringify(header.type)}, which is not supported`);
  }
  return applyOwner(file, header, ids);
}

function hide(parent: string, name: string): void {
  const file = path.join(parent, name);
  const stats = statOrNothing(file);
  // The layer itself brings the name: then only what lower layers have below it is hidden.
  if (stats === undefined) makeWhiteout(file);
  else if (stats.isDirectory()) makeOpaque(file);
}

function setTime(file: string, header: Header): void {
  const time = header.mtime ?? new Date(0);
  lutimesSync(file, time, time);
}

/**
 * Unpacks a layer's tar into `root`, as overlayfs wants it: whiteouts become devices 0:0, opaque
 * folders get their attribute (OCI image spec, layer.md). Nothing is ever written outside `root`:
 * `..` is refused, links are resolved inside it. Over the limits: resource-exhausted.
 */
export async function unpackLayer(
  source: Readable,
  root: string,
  limits: UnpackLimits = { entries: LAYER_ENTRIES, size_bytes: LAYER_UNPACKED_BYTES },
): Promise<Unpacked> {
  const unpacked: Unpacked = { entries: 0, size_bytes: 0, attributesLost: 0, ownersLost: 0 };
  const ids = readMappedIds();
  const directories: { file: string; header: Header }[] = [];
  for await (const { header, body } of tarEntries(source)) {
    unpacked.entries++;
    unpacked.size_bytes += header.size ?? 0;
    if (unpacked.entries > limits.entries || unpacked.size_bytes > limits.size_bytes) {
      throw new RuntimeError("resource-exhausted", "the layer unpacks to more than is allowed");
    }
    if (Object.keys(header.pax ?? {}).some((key) => key.startsWith("SCHILY.xattr."))) {
      unpacked.attributesLost++;
    }
    const { parent, last } = place(root, header, header.name);
    mkdirSync(parent, { recursive: true });
    const whiteout = whiteoutOf(last);
    if (whiteout.kind === "opaque") makeOpaque(parent);
    else if (whiteout.kind === "hide") hide(parent, whiteout.name);
    else {
      const file = path.join(parent, last);
      if (!(await makeEntry(root, file, { header, body, ids }))) unpacked.ownersLost++;
      if (header.type === "directory") directories.push({ file, header });
      else if (header.type !== "link") setTime(file, header);
    }
  }
  // Last: whatever was made in a folder changed its time.
  for (const { file, header } of directories) setTime(file, header);
  return unpacked;
}
