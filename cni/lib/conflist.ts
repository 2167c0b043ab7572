import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readRegular } from "@raft2kube/linux/file/read-regular.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { isRecord } from "@raft2kube/std/record.ts";
import { CONFIG_BYTES, PLUGINS_IN_LIST } from "../limits.ts";
import { CniError } from "./errors.ts";
import { requireNetworkName, requirePluginType } from "./names.ts";
import type { NetworkList, PluginConfig } from "./types.ts";
import { CNI_VERSIONS, type CniVersion, isCniVersion } from "./version.ts";

type Json = Record<string, unknown>;

/** Parses and validates a `.conflist`, or a single plugin's `.conf` as a list of one. */
export function parseConflist(text: string, source: string): NetworkList {
  const invalid = (why: string) => new CniError("invalid-config", `${source}: ${why}`);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (thrown) {
    throw new CniError("decoding-failure", `${source}: ${messageOf(thrown)}`, { cause: thrown });
  }
  if (!isRecord(json)) throw invalid("is not a JSON object");
  const single = json.plugins === undefined && typeof json.type === "string";
  const plugins = single ? [json] : json.plugins;
  if (!Array.isArray(plugins) || plugins.length === 0) throw invalid('has no "plugins"');
  if (plugins.length > PLUGINS_IN_LIST) throw invalid(`has more than ${PLUGINS_IN_LIST} plugins`);
  try {
    return {
      name: requireNetworkName(json.name),
      cniVersions: versionsOf(json),
      disableCheck: flag(json, "disableCheck"),
      disableGC: flag(json, "disableGC"),
      plugins: plugins.map((plugin, index) => parsePlugin(plugin, index)),
    };
  } catch (thrown) {
    if (thrown instanceof CniError) throw invalid(thrown.message);
    throw thrown;
  }
}

function flag(json: Json, key: string): boolean {
  const value = json[key] ?? false;
  // The specification has booleans; some existing files have strings.
  if (value === true || value === "true") return true;
  if (value === false || value === "false") return false;
  throw new CniError("invalid-config", `"${key}" is not a boolean`);
}

/** Returns the supported versions among `cniVersion` and `cniVersions`. */
function versionsOf(json: Json): CniVersion[] {
  const listed = [...(Array.isArray(json.cniVersions) ? json.cniVersions : []), json.cniVersion];
  const named = listed.filter((version) => version !== undefined);
  if (named.length === 0) throw new CniError("invalid-config", '"cniVersion" is missing');
  const bad = named.find((version) => typeof version !== "string");
  if (bad !== undefined) throw new CniError("invalid-config", '"cniVersion" is not a string');
  const spoken = CNI_VERSIONS.filter((version) => named.includes(version));
  if (spoken.length > 0) return spoken.filter(isCniVersion);
  const why = `CNI ${named.join(", ")} is not supported; supported are ${CNI_VERSIONS.join(", ")}`;
  throw new CniError("incompatible-version", why);
}

function parsePlugin(plugin: unknown, index: number): PluginConfig {
  const where = `plugins[${index}]`;
  if (!isRecord(plugin)) throw new CniError("invalid-config", `${where} is not an object`);
  const type = requirePluginType(plugin.type);
  if (plugin.capabilities !== undefined && !isRecord(plugin.capabilities)) {
    throw new CniError("invalid-config", `${where}.capabilities is not an object`);
  }
  if (plugin.ipam !== undefined) {
    if (!isRecord(plugin.ipam)) {
      throw new CniError("invalid-config", `${where}.ipam is not an object`);
    }
    if (plugin.ipam.type !== undefined) requirePluginType(plugin.ipam.type);
  }
  return { ...plugin, type } as PluginConfig;
}

/**
 * Returns the network of a configuration directory: the first file in byte order that ends in
 * `.conflist`, `.conf` or `.json`, as in containerd and CRI-O. Undefined if there is none; throws
 * CniError if it is not valid.
 */
export async function loadNetwork(confDir: string): Promise<NetworkList | undefined> {
  let where = confDir;
  let text: string;
  try {
    const names = await readdir(confDir);
    const first = names.filter((name) => /\.(conflist|conf|json)$/.test(name)).sort()[0];
    if (first === undefined) return undefined;
    where = join(confDir, first);
    text = await readRegular(where, CONFIG_BYTES);
  } catch (thrown) {
    throw new CniError("invalid-config", `${where}: ${messageOf(thrown)}`, { cause: thrown });
  }
  return parseConflist(text, where);
}
