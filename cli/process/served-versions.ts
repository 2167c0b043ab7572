import type { Serves } from "@raft2kube/apiserver/resource/runtime-config.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { CommandError } from "../terminal.ts";

/** Reads which kinds are served; undefined for all. Throws RangeError naming the entry. */
export async function servedBy(runtimeConfig: string | undefined): Promise<Serves | undefined> {
  if (runtimeConfig === undefined) return undefined;
  const { readRuntimeConfig } = await import("@raft2kube/apiserver/resource/runtime-config.ts");
  const { KINDS } = await import("@raft2kube/api/kinds.ts");
  return readRuntimeConfig(runtimeConfig, KINDS);
}

/** Throws CommandError `BAD_FLAG` for a `--runtime-config` that names what is not there. */
export async function checkServed(runtimeConfig: string | undefined): Promise<void> {
  try {
    await servedBy(runtimeConfig);
  } catch (cause) {
    throw new CommandError("BAD_FLAG", messageOf(cause), {
      cause,
      remedy: "kubectl api-versions lists what there is",
    });
  }
}
