import { createHash } from "node:crypto";
import path from "node:path";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { tarOfFile, tarOfTree } from "@raft2kube/runtime/image/tar/tree.ts";
import { CONTEXT_FILES } from "../limits.ts";
import { matcherOf } from "./wildcard.ts";

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
        .filter(matcherOf(part))
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

/**
 * A hash of what COPY would take: names, types, modes, owners, links, attributes and content. A
 * place that is a link counts as what it leads to; links beneath one as they are.
 */
export async function hashOf(source: Source, places: readonly string[]): Promise<string> {
  const hash = createHash("sha256");
  const inside = { links: "inside" } as const;
  const owner = source.keepsOwners ? {} : { owner: { uid: 0, gid: 0 } };
  let files = 0;
  const count = () => {
    if (++files <= CONTEXT_FILES) return;
    throw new RuntimeError("resource-exhausted", `over ${CONTEXT_FILES} files are copied`);
  };
  const put = async (tar: AsyncIterable<Uint8Array>) => {
    for await (const piece of tar) hash.update(piece);
  };
  using root = Directory.open(source.root);
  for (const place of places) {
    using handle = root.handle(place || ".", inside);
    if (!handle.stats().isDirectory()) {
      count();
      await put(tarOfFile(handle, path.posix.basename(place), { latest_ms: 0, ...owner }));
      continue;
    }
    using directory = root.directory(place || ".", inside);
    const leaveOut = (name: string) => {
      const inner = path.posix.join(place, Buffer.from(name, "latin1").toString());
      if (source.isIgnored(inner)) return true;
      count();
      return false;
    };
    await put(tarOfTree(directory, { leaveOut, latest_ms: 0, ...owner }));
  }
  return hash.digest("hex");
}
