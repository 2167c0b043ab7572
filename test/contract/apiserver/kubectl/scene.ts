import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const SCENES = join(import.meta.dirname, "scenes");

/** Command lines, played one after another in a folder and a namespace of their own. */
export interface Scene {
  readonly name: string;
  readonly lines: readonly string[];
}

/** Every scene, as `scenes/NAME.sh` has it: a command to a line, behind `#` what it is about. */
export function readScenes(): Scene[] {
  return readdirSync(SCENES).sort().map((file) => {
    const text = readFileSync(join(SCENES, file), "utf8");
    const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    return { name: file.replace(/\.sh$/, ""), lines };
  });
}
