import { pullImage } from "@raft2kube/runtime/image/pull.ts";
import { parseReference } from "@raft2kube/runtime/image/reference.ts";
import type { NamedImage } from "@raft2kube/runtime/image/store.ts";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { authFor } from "../registry/auth-file.ts";
import type { Engine } from "./open-engine.ts";

const ID_PREFIX = /^[0-9a-f]{4,64}$/;

/** The image of a name, an id, or the beginning of one. */
export function findImage(
  { runtime }: Pick<Engine, "runtime">,
  name: string,
): NamedImage | undefined {
  if (ID_PREFIX.test(name)) {
    const found = runtime.images.list().filter(({ id }) => id.startsWith(`sha256:${name}`));
    if (found.length > 1) {
      throw new RuntimeError("invalid-argument", `${found.length} images' ids begin with ${name}`);
    }
    if (found[0]) return found[0];
  }
  return runtime.images.find(name);
}

/** Throws not-found. */
export function getImage(engine: Pick<Engine, "runtime">, name: string): NamedImage {
  const found = findImage(engine, name);
  if (found) return found;
  throw new RuntimeError("not-found", `no such image: ${name}`, {
    remedy: `r2k container pull ${name}, or r2k container images`,
  });
}

/** Fetches an image from its registry with the credentials of `login`. */
export async function fetchImage({ runtime, host }: Engine, name: string): Promise<NamedImage> {
  const auth = await authFor(parseReference(name).domain);
  const endpoints = host.registries;
  await pullImage(runtime.images, name, { endpoints, clock: host.clock, ...(auth && { auth }) });
  return runtime.images.get(name);
}

/** The image to run, fetched when it is missing, or `always`. */
export async function imageToRun(engine: Engine, name: string, when: string): Promise<NamedImage> {
  const found = findImage(engine, name);
  if (when === "never" || (found && when !== "always")) return found ?? getImage(engine, name);
  process.stderr.write(`fetching ${name}\n`);
  return await fetchImage(engine, name);
}
