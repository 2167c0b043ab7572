import { createHash, type Hash } from "node:crypto";
import { closeSync, constants, readSync } from "node:fs";
import path from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import type { Handle } from "@raft2kube/linux/beneath/handle.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { Slices } from "@raft2kube/std/slices.ts";
import { CONTEXT_FILES } from "../limits.ts";
import { matchesName } from "./ignore.ts";

const CHUNK_BYTES = 1 << 20;

/** Files that COPY takes from: the context or the root of a stage or image. */
export interface Source {
  root: string;
  isIgnored: (place: string) => boolean;
  /** Whether anything may be left out. */
  leavesOut: boolean;
  keepsOwners: boolean;
}

/**
 * The places that a pattern of COPY names; links on the way do not lead out. Throws where a place
 * that is named without wildcards is not there: patterns may fit none, as BuildKit's.
 */
export function placesOf(source: Source, pattern: string): string[] {
  const normal = path.posix.normalize(`/${pattern}`).slice(1).replace(/\/+$/, "");
  using root = Directory.open(source.root);
  let places = [""];
  for (const part of normal.split("/").filter(Boolean)) {
    places = places.flatMap((place) => {
      if (!/[*?[\\]/.test(part)) return [place === "" ? part : `${place}/${part}`];
      using found = root.find(place || ".", { links: "inside" });
      if (!found?.stats().isDirectory()) return [];
      using directory = root.directory(place || ".", { links: "inside" });
      return [...directory.names()]
        .map(String)
        .filter((name) => matchesName(part, name))
        .sort()
        .map((name) => (place === "" ? name : `${place}/${name}`));
    });
  }
  const present = places.filter((place) => {
    using found = root.find(place || ".", { links: "inside" });
    return found !== undefined && !(place !== "" && source.isIgnored(place));
  });
  if (present.length > 0 || /[*?[]/.test(pattern)) return present;
  throw new RuntimeError("not-found", `${JSON.stringify(pattern)} is not in the build's context`, {
    remedy: "is it named in .dockerignore?",
  });
}

/** A hash of what COPY would take: names, types, modes, owners, links, attributes and content. */
export async function hashOf(source: Source, places: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  const walk = { hash, slices: new Slices(), files: 0, source };
  using root = Directory.open(source.root);
  for (const place of places) {
    using handle = root.handle(place || ".", { links: "inside" });
    if (!handle.stats().isDirectory()) {
      await hashEntry(walk, handle, place);
      continue;
    }
    using directory = root.directory(place || ".", { links: "inside" });
    await hashContent(walk, directory, place, "");
  }
  return hash.digest("hex");
}

type Walk = { hash: Hash; slices: Slices; files: number; source: Source };

async function hashContent(walk: Walk, directory: Directory, place: string, below: string) {
  for (const name of [...directory.names()].sort(Buffer.compare)) {
    const inner = place === "" ? name.toString() : `${place}/${name.toString()}`;
    if (walk.source.isIgnored(inner)) continue;
    using handle = directory.find(name);
    if (handle === undefined) continue;
    const shown = `${below}/${name.toString("latin1")}`;
    await hashEntry(walk, handle, shown);
    if (!handle.stats().isDirectory()) continue;
    using next = directory.directory(name);
    await hashContent(walk, next, inner, shown);
  }
}

async function hashEntry(walk: Walk, handle: Handle, name: string): Promise<void> {
  if (++walk.files > CONTEXT_FILES) {
    throw new RuntimeError("resource-exhausted", `over ${CONTEXT_FILES} files are copied`);
  }
  const { hash, slices, source } = walk;
  const stats = handle.stats();
  const owner = source.keepsOwners ? [stats.uid, stats.gid] : [];
  const size = stats.isFile() ? stats.size : 0;
  hash.update(JSON.stringify([name, stats.mode, stats.rdev, owner, size]));
  if (stats.isSymbolicLink()) hash.update(handle.readLink());
  if (!stats.isFile()) return;
  const fd = handle.reopen(constants.O_RDONLY);
  try {
    const chunk = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, size + 1));
    for (let at = 0; ; ) {
      const read = readSync(fd, chunk, 0, chunk.length, at);
      if (read === 0) break;
      hash.update(chunk.subarray(0, read));
      at += read;
      if (slices.due) await slices.pause();
    }
  } finally {
    closeSync(fd);
  }
}
