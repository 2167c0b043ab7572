import type { Dirent } from "node:fs";
import { open, readdir, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { PLUGINS_DIR } from "../assets.ts";
import { CommandError } from "../terminal.ts";

/** How a plugin of this product starts, in any release. */
const OWN = /^#!.*\n\/\/ raft2kube cni plugin /;
const HEAD_BYTES = 512;

/**
 * Puts our CNI plugins where a cluster's runtime calls them. They were bundled with the paths of
 * the Node and of the native package that built them; here they get those of this installation.
 * Throws CommandError `FOREIGN_PLUGIN`, and writes none, where a file of such a name is another's.
 */
export async function installPlugins(targetDir: string, from = PLUGINS_DIR): Promise<void> {
  const koffi = createRequire(import.meta.url).resolve("koffi");
  // Beside them lies the package.json that names their module system.
  const names = (await readdir(from)).filter((name) => !name.endsWith(".json"));
  const own = await ownPlugins(targetDir);
  const foreign = (await namesIn(targetDir)).filter((name) => {
    return names.includes(name) && !own.includes(name);
  });
  if (foreign.length > 0) {
    const text = `${targetDir} has other plugins of the names ${foreign.join(", ")}`;
    throw new CommandError("FOREIGN_PLUGIN", text, {
      remedy: "remove them, or their package, if nothing else needs them",
    });
  }
  for (const name of names) {
    const text = relocate(await readFile(join(from, name), "utf8"), process.execPath, koffi);
    await replaceFile(join(targetDir, name), text, { mode: 0o755 });
  }
}

/** Removes our plugins from a folder; others' stay. */
export async function removePlugins(dir: string): Promise<void> {
  for (const name of await ownPlugins(dir)) await rm(join(dir, name));
}

async function ownPlugins(dir: string): Promise<string[]> {
  const own: string[] = [];
  for (const name of await namesIn(dir, (entry) => entry.isFile())) {
    await using file = await open(join(dir, name));

    const { buffer, bytesRead } = await file.read({ buffer: Buffer.alloc(HEAD_BYTES) });
    if (OWN.test(buffer.toString("latin1", 0, bytesRead))) own.push(name);
  }
  return own;
}

/** The names in a folder; `kept` leaves out what is not to be opened: links, folders, devices. */
async function namesIn(dir: string, kept: (entry: Dirent) => boolean = () => true) {
  try {
    return (await readdir(dir, { withFileTypes: true })).filter(kept).map(({ name }) => name);
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return [];
    throw thrown;
  }
}

/** A bundled plugin's text with its interpreter and its native package at these paths. */
export function relocate(text: string, node: string, koffi: string): string {
  if (!text.startsWith("#!")) {
    throw new CommandError("BAD_PLUGIN", "a bundled CNI plugin has no interpreter line", {
      remedy: "remove .cache and run again, or reinstall the package",
    });
  }
  return text
    .replace(/^#!.*/, `#!${node}`)
    .replaceAll(/require\("[^"]*\/koffi\/[^"]*"\)/g, `require(${JSON.stringify(koffi)})`);
}
