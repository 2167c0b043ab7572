import { closeSync, openSync, readSync, statSync } from "node:fs";
import { BUILD_MARK } from "./mark.ts";
import { type CniPlugin, dispatch } from "./skel.ts";
import type { Invoke, PluginRequest } from "./types.ts";

const MARK_BYTES = 512;

/**
 * Calls a plugin within this process if its file is of this package's build, and by `exec` if it is
 * any other file, so that a file can be replaced by another plugin.
 */
export function inProcessInvoke(options: {
  plugins: ReadonlyMap<string, CniPlugin>;
  exec: Invoke;
}): Invoke {
  const seen = new Map<string, { mark: string; plugin: CniPlugin | undefined }>();

  function pluginOf(file: string): CniPlugin | undefined {
    const { ino, mtimeMs, size } = statSync(file);
    const mark = `${ino} ${mtimeMs} ${size}`;
    const known = seen.get(file);
    if (known?.mark === mark) return known.plugin;
    const name = markOf(file);
    const plugin = name === undefined ? undefined : options.plugins.get(name);
    seen.set(file, { mark, plugin });
    return plugin;
  }

  const invoke: Invoke = async (file, request) => {
    const plugin = pluginOf(file);
    if (!plugin) return options.exec(file, request);
    // Copies, as over a pipe: later changes on one side do not affect the other.
    const copy = structuredClone(request) satisfies PluginRequest;
    return structuredClone(await dispatch(plugin, copy, invoke));
  };
  return invoke;
}

/** Returns the plugin's name in a file that `buildPlugins` wrote, or undefined. */
function markOf(file: string): string | undefined {
  const head = Buffer.alloc(MARK_BYTES);
  const fd = openSync(file, "r");
  try {
    readSync(fd, head, 0, MARK_BYTES, 0);
  } finally {
    closeSync(fd);
  }
  const line = head.toString("latin1").split("\n")[1] ?? "";
  return line.startsWith(BUILD_MARK) ? line.slice(BUILD_MARK.length).trim() : undefined;
}
