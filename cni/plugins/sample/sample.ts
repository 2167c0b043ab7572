import {
  access,
  constants,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { CniError } from "@raft2kube/cni/lib/errors.ts";
import { type CniPlugin, type PluginCall, requireChained } from "@raft2kube/cni/lib/skel.ts";
import type { CniResult } from "@raft2kube/cni/lib/types.ts";
import { errno, messageOf, tolerate } from "@raft2kube/std/errors.ts";

/**
 * A plugin to copy. Chained after the plugin that makes the interface, it keeps a file with the
 * addresses of each attachment, `DATADIR/NETWORK/CONTAINER:INTERFACE`. The library has checked
 * these three names: none has a slash, a container's starts with no dot, an interface's has no
 * colon. Anything else in the configuration is the plugin's to check.
 */
export const sample: CniPlugin = {
  name: "sample",

  /** Makes what is wanted, and returns the result: here the one of the plugin before. */
  async add(call) {
    const result = requireChained(call);
    const dir = directoryOf(call);
    await mkdir(dir, { recursive: true, mode: 0o700 });
    // Written beside its name and renamed: a call that is killed leaves no half file by that name.
    const unfinished = join(dir, `.${fileOf(call.containerId, call.ifName)}`);
    await writeFile(unfinished, contentOf(result), { mode: 0o600 });
    await rename(unfinished, join(dir, fileOf(call.containerId, call.ifName)));
    return result;
  },

  /** Takes away what ADD made, or a part of it; succeeds when there is nothing. */
  async del(call) {
    const file = fileOf(call.containerId, call.ifName);
    for (const name of [file, `.${file}`]) await rm(join(directoryOf(call), name), { force: true });
  },

  /** Throws `check-failed` if what ADD made is not there, or is not what `prevResult` says. */
  async check(call) {
    const file = join(directoryOf(call), fileOf(call.containerId, call.ifName));
    const found = await contentAt(file);
    if (found === contentOf(requireChained(call))) return;
    const what = found === undefined ? `${file} is gone` : `${file} has other addresses`;
    throw new CniError("check-failed", what);
  },

  /** Throws `not-available` if an ADD could not succeed now: the node is NotReady until it can. */
  async status(call) {
    const dir = directoryOf(call);
    try {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      await access(dir, constants.W_OK);
    } catch (thrown) {
      throw new CniError("not-available", messageOf(thrown), { cause: thrown });
    }
  },

  /** Takes away what is there for attachments of this network that are not valid. */
  async gc(call, valid) {
    const dir = directoryOf(call);
    const kept = new Set(valid.map(({ containerID, ifname }) => fileOf(containerID, ifname)));
    for (const name of await namesIn(dir)) if (!kept.has(name)) await rm(join(dir, name));
  },
};

/** Parses the plugin's own option; error 7 (invalid config) names it. */
function directoryOf({ config: { dataDir }, network }: PluginCall): string {
  if (typeof dataDir === "string" && dataDir.startsWith("/")) return join(dataDir, network);
  throw new CniError("invalid-config", "sample: dataDir is not an absolute path");
}

const fileOf = (containerId: string, ifName: string) => `${containerId}:${ifName}`;

const contentOf = ({ ips }: CniResult) => (ips ?? []).map(({ address }) => `${address}\n`).join("");

async function contentAt(file: string): Promise<string | undefined> {
  return tolerate(readFile(file, "utf8"), errno("ENOENT"));
}

async function namesIn(dir: string): Promise<string[]> {
  return (await tolerate(readdir(dir), errno("ENOENT"))) ?? [];
}
