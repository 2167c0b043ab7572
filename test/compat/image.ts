import { copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { withFolder } from "./folder.ts";
import type { Place } from "./program.ts";

export const PEERS_BIN = join(import.meta.dirname, "../../.peers/bin");

/** A user without rights, as most images have. */
const NONROOT = 65_532;

/** Builds an image of one program of `.peers/bin` on the node, upon `base`; it runs as `user`. */
export async function buildImage(
  place: Place,
  image: string,
  program: string,
  path: string,
  user = NONROOT,
  base = "scratch",
): Promise<void> {
  await withFolder(async (dir) => {
    await copyFile(join(PEERS_BIN, program), join(dir, program));
    const steps = `FROM ${base}\nCOPY ${program} ${path}\nUSER ${user}\nENTRYPOINT ["${path}"]\n`;
    await writeFile(join(dir, "Dockerfile"), steps);
    await place.container("build", "-q", "-t", image, dir);
  });
}
