// Bundles the command line anew when a source is newer than the bundle. Called before every command.
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isErrno } from "@raft2kube/std/errors.ts";

const root = join(import.meta.dirname, "../..");
const outDir = ".cache/bundle";
const stamp = join(root, outDir, "built");

async function refresh(): Promise<void> {
  const { productSources, entryPoints } = await import("./entries.ts");
  const built_ms = modified(stamp);
  const newest_ms = Math.max(
    ...productSources().map((path) => modified(join(root, path))),
    modified(join(root, "package-lock.json")),
  );
  if (built_ms > newest_ms) return;
  const { bundle } = await import("./bundle.ts");
  await bundle({ outDir, entries: entryPoints() });
  mkdirSync(join(root, outDir), { recursive: true });
  writeFileSync(stamp, "");
}

function modified(path: string): number {
  try {
    return statSync(path).mtimeMs;
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return 0;
    throw thrown;
  }
}

await refresh();
