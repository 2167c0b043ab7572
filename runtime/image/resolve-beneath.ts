import { lstatSync, readlinkSync } from "node:fs";
import path from "node:path";
import { isErrno } from "@raft2kube/std/errors.ts";
import { LINKS_FOLLOWED } from "../limits.ts";
import { RuntimeError } from "../errors.ts";

/**
 * Where `name` leads when `root` is taken for `/`: links are followed within it, `..` stops at it,
 * so the result is never outside. Parts that do not exist stand as they are. Safe only while nobody
 * else changes the tree: for images being unpacked and containers not yet started.
 */
export function resolveBeneath(root: string, name: string): string {
  const waiting = name.split("/").reverse();
  const done: string[] = [];
  let followed = 0;
  while (waiting.length > 0) {
    const part = waiting.pop()!;
    if (part === "" || part === ".") continue;
    if (part === "..") {
      done.pop();
      continue;
    }
    const here = path.join(root, ...done, part);
    const link = readLink(here);
    if (link === undefined) {
      done.push(part);
      continue;
    }
    if (++followed > LINKS_FOLLOWED) {
      throw new RuntimeError("invalid-argument", `too many links in ${JSON.stringify(name)}`);
    }
    if (link.startsWith("/")) done.length = 0;
    waiting.push(...link.split("/").reverse());
  }
  return path.join(root, ...done);
}

function readLink(file: string): string | undefined {
  try {
    return lstatSync(file).isSymbolicLink() ? readlinkSync(file) : undefined;
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}
