import { mkdir, readFile, readdir, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { join } from "node:path";
import { CommandError } from "../terminal.ts";
import { PLUGINS_DIR } from "../assets.ts";

/**
 * Puts our CNI plugins where a cluster's runtime calls them. They were bundled with the paths of
 * the Node and of the native package that built them; here they get those of this installation.
 */
export async function installPlugins(targetDir: string, from = PLUGINS_DIR): Promise<void> {
  await mkdir(targetDir, { recursive: true });
  const koffi = createRequire(import.meta.url).resolve("koffi");
  // Beside them lies the package.json that names their module system.
  const names = (await readdir(from)).filter((name) => !name.endsWith(".json"));
  for (const name of names) {
    const text = relocate(await readFile(join(from, name), "utf8"), process.execPath, koffi);
    await writeFile(join(targetDir, name), text, { mode: 0o755 });
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
