import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { errno, isErrno, messageOf, tolerate } from "@raft2kube/std/errors.ts";
import { jsonOrNothing } from "@raft2kube/std/json-or-nothing.ts";
import { CniError } from "./errors.ts";
import type { CniResult, PluginConfig } from "./types.ts";

/**
 * The attachment that ADD stores for CHECK, DEL and GC: the result and its configuration, so that a
 * network is deleted as it was added even if its file has changed.
 */
export interface CachedAttachment {
  kind: "r2kCniCacheV1";
  networkName: string;
  cniVersion: string;
  containerId: string;
  ifName: string;
  netns: string;
  plugins: PluginConfig[];
  args: Record<string, string>;
  capabilityArgs: Record<string, unknown>;
  result: CniResult;
}

/** Stores each attachment in a file, which is written atomically. */
export function attachmentCache(dir: string) {
  const file = (network: string, containerId: string, ifName: string) =>
    join(dir, "results", `${network}-${containerId}-${ifName}`);

  async function read(path: string): Promise<CachedAttachment | undefined> {
    let text: string;
    try {
      text = await readFile(path, "utf8");
    } catch (thrown) {
      if (isErrno(thrown, "ENOENT")) return undefined;
      throw new CniError("io-failure", `${path}: ${messageOf(thrown)}`, { cause: thrown });
    }
    // A loss of power may leave an empty file: DEL then runs without it, as libcni's.
    return jsonOrNothing(text) as CachedAttachment | undefined;
  }

  return {
    async put(entry: CachedAttachment): Promise<void> {
      const path = file(entry.networkName, entry.containerId, entry.ifName);
      await mkdir(join(dir, "results"), { recursive: true, mode: 0o700 });
      await writeFile(`${path}.new`, JSON.stringify(entry), { mode: 0o600 });
      await rename(`${path}.new`, path);
    },
    get: (network: string, containerId: string, ifName: string) =>
      read(file(network, containerId, ifName)),
    /** Deletes an attachment, and what a kill left of it while it was written. */
    async delete(network: string, containerId: string, ifName: string): Promise<void> {
      const path = file(network, containerId, ifName);
      await Promise.all([path, `${path}.new`].map((each) => rm(each, { force: true })));
    },
    async list(network: string): Promise<CachedAttachment[]> {
      const names = await tolerate(readdir(join(dir, "results")), errno("ENOENT"));
      if (names === undefined) return [];
      const mine = names.filter((name) => name.startsWith(`${network}-`) && !name.endsWith(".new"));
      const entries = await Promise.all(mine.map((name) => read(join(dir, "results", name))));
      // A network's name may start with that of another and "-", so the entry's name decides.
      return entries.filter(
        (entry) => entry !== undefined && entry.networkName === network,
      ) as CachedAttachment[];
    },
  };
}

export type AttachmentCache = ReturnType<typeof attachmentCache>;
