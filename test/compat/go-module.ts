import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";

/** The folder of the sources of a peer's module, which building the peer has brought. */
export async function moduleSources(peer: string, module: string): Promise<string> {
  const cwd = join(import.meta.dirname, "../../scripts/peers", peer);
  const list = ["list", "-mod=mod", "-m", "-f", "{{.Dir}}", module];
  const { stdout } = await promisify(execFile)("go", list, { cwd });
  return stdout.trim();
}

/** The folder of a released module (`PATH@VERSION`) in Go's cache. */
export async function releasedSources(module: string): Promise<string> {
  const { stdout } = await promisify(execFile)("go", ["mod", "download", "-json", module]);
  return (JSON.parse(stdout) as { Dir: string }).Dir;
}
