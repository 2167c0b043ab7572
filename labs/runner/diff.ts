import { spawnSync } from "node:child_process";
import { join } from "node:path";
import type { Lab } from "./manifest.ts";
import { ownTree } from "./own-tree.ts";
import { referenceText } from "./workspace.ts";

/** Prints a reader's files of a lab compared with the reference, by diff(1). */
export function showDiff(lab: Lab): void {
  for (const file of lab.files) {
    const labels = ["--label", `yours/${file}`, "--label", `reference/${file}`];
    const { error } = spawnSync("diff", ["-u", ...labels, join(ownTree(lab.number), file), "-"], {
      input: referenceText(file),
      stdio: ["pipe", "inherit", "inherit"],
    });
    if (error) throw error;
  }
}
