import { basename, join } from "node:path";
import { bundle } from "../scripts/build/bundle.ts";

const ROOT = join(import.meta.dirname, "..");

/**
 * Bundles a program of the folder `test`, with the trees of a reader of the labs over the product,
 * and returns the command line that runs it in a guest. System calls are slow there: loading
 * hundreds of sources takes seconds of a processor.
 */
export async function bundled(source: string, trees: readonly string[] = []): Promise<string> {
  const name = basename(source);
  const outDir = join(ROOT, ".cache/guest", name);
  await bundle({ outDir, entries: { [name]: `test/${source}` }, trees, isWhole: true });
  return `/usr/bin/env R2K_ROOT=${ROOT} ${process.execPath} ${outDir}/${name}.js`;
}
