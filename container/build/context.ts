import { realpathSync } from "node:fs";
import path from "node:path";
import { buffer } from "node:stream/consumers";
import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { errno, isErrno, messageOf, tolerateSync } from "@raft2kube/std/errors.ts";
import { decompressionOf } from "../files/decompress.ts";
import { DOCKERFILE_BYTES } from "../limits.ts";
import type { Source } from "./source.ts";
import { matcherOf } from "./wildcard.ts";

/**
 * The context of a build: a folder, less what its .dockerignore names, or the one beside the
 * Dockerfile that has its name before it.
 */
export function contextOf(folder: string, dockerfile?: string): Source {
  const root = realpathSync(folder);
  const own = dockerfile === undefined ? undefined : ignoreFile(`${dockerfile}.dockerignore`);
  const text = own ?? ignoreFile(path.join(root, ".dockerignore")) ?? "";
  const isIgnored = withExceptions(root, ignoredBy(text), text);
  return { root, isIgnored, leavesOut: text.trim() !== "", keepsOwners: false };
}

/** The text of a file, a regular one, out of whose folder no link leads. */
function readInside(file: string): string {
  using directory = Directory.open(path.dirname(file));
  const limits = { links: "inside", limit_bytes: DOCKERFILE_BYTES } as const;
  return directory.readFile(path.basename(file), limits).toString("utf8");
}

const ignoreFile = (file: string) => tolerateSync(() => readInside(file), errno("ENOENT"));

/**
 * Returns which places of a context are left out by the text of a .dockerignore: the last pattern
 * that fits decides, `!` brings back, and a directory stands for all beneath it.
 */
export function ignoredBy(text: string): (place: string) => boolean {
  const rules = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => {
      const isException = line.startsWith("!");
      const pattern = (isException ? line.slice(1) : line).trim().replace(/^\/+|(?<!\/)\/+$/g, "");
      return { isException, fits: matcherOf(pattern.replace(/^(\.\/)+/, "")) };
    });
  return (place) => {
    const names = place.split("/");
    const above = names.map((_, at) => names.slice(0, at + 1).join("/"));
    return rules.reduce(
      (isIgnored, { isException, fits }) => (above.some(fits) ? !isException : isIgnored),
      false,
    );
  };
}

/** A folder that is left out stays if an exception brings back something in it. */
function withExceptions(
  root: string,
  isIgnored: Source["isIgnored"],
  text: string,
): Source["isIgnored"] {
  if (!/^\s*!/m.test(text)) return isIgnored;
  const known = new Map<string, boolean>();
  const isLeftOut = (place: string): boolean => {
    const found = known.get(place) ?? (isIgnored(place) && !holdsAny(place));
    known.set(place, found);
    return found;
  };
  const holdsAny = (place: string): boolean => {
    using directory = Directory.open(root);
    using handle = directory.find(place);
    if (!handle?.stats().isDirectory()) return false;
    using folder = directory.directory(place);
    return [...folder.names()].some((name) => !isLeftOut(`${place}/${name.toString()}`));
  };
  return isLeftOut;
}

/** Reads a Dockerfile, a regular file: of the context by default, out of which no link leads. */
export function readDockerfile(context: string, file: string | undefined): string {
  const where = file ?? path.join(context, "Dockerfile");
  const real = realpathSync(file ?? context);
  try {
    return readInside(file === undefined ? path.join(real, "Dockerfile") : real);
  } catch (cause) {
    const why = messageOf(cause);
    if (isErrno(cause, "ENOENT")) throw new RuntimeError("not-found", why, { cause });
    throw new RuntimeError("invalid-argument", `${where} is no Dockerfile: ${why}`, { cause });
  }
}

/** Reads a Dockerfile from standard input: no archive, which docker takes as a context. */
export async function dockerfileFromInput(): Promise<string> {
  const bytes = await buffer(process.stdin);
  if (!decompressionOf(bytes) && !bytes.includes(0)) return bytes.toString("utf8");
  throw new RuntimeError("unimplemented", "an archive from standard input is not supported", {
    remedy: "unpack it, and build its folder",
  });
}
