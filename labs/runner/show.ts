import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { LabError } from "./lab-error.ts";
import type { Lab } from "./manifest.ts";
import { ownNamespaces } from "./namespaces.ts";
import { LABS_DIR, ROOT_DIR } from "./paths.ts";

/**
 * Runs a shell command where a lab's part is at work: in network namespaces that the lab's own
 * program makes and removes, with `trees` laid over the product. `choice` is for that program.
 * Returns the command's exit code.
 */
export function showLab(
  lab: Lab,
  command: string,
  { trees, choice }: { trees: readonly string[]; choice: string | undefined },
): number {
  if (lab.show === undefined) {
    throw new LabError("NOTHING_TO_SHOW", `lab ${lab.number} has no namespaces to show`, {
      remedy: `npm run lab check ${lab.number}`,
    });
  }
  const [unshare, ...words] = ownNamespaces();
  const program = [
    process.execPath,
    "--import",
    join(LABS_DIR, "runner/overlay.ts"),
    join(LABS_DIR, lab.folder, lab.show),
    command,
    ...(choice === undefined ? [] : [choice]),
  ];
  const { status, error } = spawnSync(unshare, [...words, ...program], {
    cwd: ROOT_DIR,
    stdio: "inherit",
    env: { ...process.env, R2K_LAB_TREES: trees.join(":"), R2K_LOG: "error" },
  });
  if (error) throw error;
  return status ?? 1;
}
