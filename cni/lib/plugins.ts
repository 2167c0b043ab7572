import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { join } from "node:path";
import { isErrno } from "@raft2kube/std/errors.ts";
import { CniError } from "./errors.ts";
import { requirePluginType } from "./names.ts";
import type { Invoke, PluginConfig } from "./types.ts";
import { LATEST_VERSION } from "./version.ts";

/** Finds the executable of a plugin in `dirs`, in order. Error "plugin-not-found" names them. */
export async function findPlugin(type: string, dirs: readonly string[]): Promise<string> {
  requirePluginType(type);
  for (const dir of dirs) {
    const file = join(dir, type);
    try {
      await access(file, constants.X_OK);
      return file;
    } catch (thrown) {
      if (!isErrno(thrown, "ENOENT", "ENOTDIR")) {
        const what = `plugin ${file} cannot be run`;
        throw new CniError("plugin-not-found", what, { cause: thrown });
      }
    }
  }
  throw new CniError("plugin-not-found", `there is no plugin ${type} in ${dirs.join(", ")}`, {
    remedy: `install it there, or take ${JSON.stringify(type)} out of the network configuration`,
  });
}

/** Finds plugins and caches the versions that each supports until its file changes. */
export function pluginFinder(dirs: readonly string[], invoke: Invoke) {
  const known = new Map<string, { mark: string; supported: string[] }>();
  const find = (type: string) => findPlugin(type, dirs);

  async function versions({ type }: PluginConfig): Promise<{ type: string; supported: string[] }> {
    const file = await find(type);
    const { ino, mtimeMs, size } = await stat(file);
    const mark = `${ino} ${mtimeMs} ${size}`;
    const seen = known.get(file);
    if (seen?.mark === mark) return { type, supported: seen.supported };
    const supported = await askVersions(file, type, dirs, invoke);
    known.set(file, { mark, supported });
    return { type, supported };
  }
  return { find, versions };
}

export type PluginFinder = ReturnType<typeof pluginFinder>;

async function askVersions(
  file: string,
  type: string,
  dirs: readonly string[],
  invoke: Invoke,
): Promise<string[]> {
  const output = await invoke(file, {
    command: "VERSION",
    containerId: "",
    netns: "",
    ifName: "",
    args: "",
    path: [...dirs],
    config: { type, cniVersion: LATEST_VERSION },
  });
  const supported = (output as { supportedVersions?: unknown } | undefined)?.supportedVersions;
  if (!Array.isArray(supported) || supported.some((version) => typeof version !== "string")) {
    throw new CniError("plugin-garbage", `plugin ${type} returned no supportedVersions`);
  }
  return supported as string[];
}
