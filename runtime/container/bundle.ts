import { readFile, writeFile } from "node:fs/promises";
import type { OciSpec } from "../oci/spec.ts";
import type { Base } from "../ports.ts";

/** The config.json that a container was created with. */
export async function readSpec(runtime: Base, id: string): Promise<OciSpec> {
  const file = runtime.paths.container(id).config;
  return JSON.parse(await readFile(file, "utf8")) as OciSpec;
}

/** Changes the config.json of a container that has not been started. */
export async function rewriteSpec(
  runtime: Base,
  id: string,
  change: (spec: OciSpec) => void,
): Promise<void> {
  const spec = await readSpec(runtime, id);
  change(spec);
  const file = runtime.paths.container(id).config;
  await writeFile(file, JSON.stringify(spec), { mode: 0o600 });
}
