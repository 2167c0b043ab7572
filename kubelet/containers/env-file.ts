import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";
import { ENV_FILES_BYTES_MAX } from "../limits.ts";
import type { ReadyVolume } from "../volumes/plugin.ts";
import { VolumeError } from "../volumes/volume-error.ts";

/** A file of variables, up to its end or its first mistake. */
export type EnvFile = { readonly values: ReadonlyMap<string, string>; readonly mistake?: string };

/**
 * One entry of a file of variables, with its end of line: a blank line, a comment, `NAME='value'`
 * with anything but a quote in the value, or `NAME=` before a blank, whose value is empty.
 */
const ENTRY =
  /[ \t]*(?:#[^\n]*|([^=\s](?:[^=\n]*[^=\s])?)=(?:[ \t][^\n]*|'([^']*)'[ \t]*(?:#[^\n]*)?)|)(?:\r?\n|$)/y;

/** Parses a file of variables, of which the first with a name counts (upstream: ParseEnv). */
export function parseEnvFile(text: string): EnvFile {
  const values = new Map<string, string>();
  for (let at = 0; at < text.length; at = ENTRY.lastIndex) {
    ENTRY.lastIndex = at;
    const found = ENTRY.exec(text);
    if (!found) {
      const line = lineAt(text, at);
      return { values, mistake: `line ${line} is not NAME='value'` };
    }
    const [, name, value = ""] = found;
    if (name !== undefined && !values.has(name)) values.set(name, value);
  }
  return { values };
}

/** The number of the line at a position, counted without a copy of each: there may be a million. */
function lineAt(text: string, position: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at >= 0 && at < position; at = text.indexOf("\n", at + 1))
    line++;
  return line;
}

/**
 * Returns a reader of the files of variables of one container, in its pod's volumes; undefined for
 * a file that is not there. The pod may write to these volumes: no link leads out of one. Throws
 * for what is no file, for a volume that is not mounted, and when the files have more than
 * ENV_FILES_BYTES_MAX together.
 */
export function envFiles(volumes: ReadonlyMap<string, ReadyVolume>) {
  const files = new Map<string, EnvFile | undefined>();
  let left_bytes = ENV_FILES_BYTES_MAX;
  const read = (volume: string, path: string): EnvFile | undefined => {
    const ready = volumes.get(volume);
    if (ready?.kind !== "filesystem") throw new VolumeError("NotFound", "it is not mounted");
    using root = Directory.open(ready.hostPath);
    const how = { links: "inside", limit_bytes: left_bytes } as const;
    const content = tolerateSync(() => root.readFile(path, how), errno("ENOENT", "ENOTDIR"));
    if (content === undefined) return undefined;
    left_bytes -= content.length;
    return parseEnvFile(content.toString());
  };
  return (volume: string, path: string): EnvFile | undefined => {
    const name = `${volume}/${path}`;
    if (!files.has(name)) files.set(name, read(volume, path));
    return files.get(name);
  };
}
