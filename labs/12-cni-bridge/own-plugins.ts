import { buildPlugins } from "@raft2kube/cni/build.ts";
import { ownParts } from "../runner/own-parts.ts";

/** Builds the plugins' executables into a folder, with the trees under check over the product. */
export async function buildOwnPlugins(folder: string): Promise<void> {
  const trees = (process.env["R2K_LAB_TREES"] ?? "").split(":").filter(Boolean);
  await buildPlugins(folder, [ownParts(trees)]);
}
