import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const SCRIPTS = join(import.meta.dirname, "scripts");

/** Command lines, played one after another in a folder and a namespace of their own. */
export type Script = { readonly name: string; readonly lines: readonly string[] };

/** Every script, as `scripts/NAME.sh` has it: a command to a line, after `#` what it is about. */
export function readScripts(): Script[] {
  return readdirSync(SCRIPTS)
    .sort()
    .map((file) => {
      const text = readFileSync(join(SCRIPTS, file), "utf8");
      const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
      return { name: file.replace(/\.sh$/, ""), lines };
    });
}
