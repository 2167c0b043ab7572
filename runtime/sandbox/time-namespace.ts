import { MountFlag, mount } from "@raft2kube/linux/mount/mount.ts";
import { createPin, deleteNetns } from "@raft2kube/linux/namespace/netns.ts";
import { step } from "@raft2kube/linux/syscall/steps.ts";
import type { PodSandboxConfig } from "@raft2kube/proto/gen/cri.ts";
import { runCommand } from "../command.ts";
import { RuntimeError } from "../errors.ts";
import type { SandboxPaths } from "../paths.ts";
import { pinnedNamespace } from "./pinned-namespaces.ts";

/**
 * crun's annotation of the offsets of a time namespace's clocks (time_namespaces(7)). Here it makes
 * one of the whole pod, for any OCI runtime: crun 1.8's own has no process in a pid namespace.
 */
export const TIME_OFFSETS = "run.oci.timens_offset";

/** Whether a sandbox asks for a time namespace. */
export function hasOwnTime(config: Pick<PodSandboxConfig, "annotations">): boolean {
  return config.annotations[TIME_OFFSETS] !== undefined;
}

/**
 * Makes and pins the time namespace that a sandbox asks for, if it does. Rejects with RuntimeError
 * invalid-argument for offsets that are malformed, or lead to a time before the machine's start.
 */
export async function makeTimeNamespace(
  paths: Pick<SandboxPaths, "namespaces">,
  config: Pick<PodSandboxConfig, "annotations">,
): Promise<void> {
  if (!hasOwnTime(config)) return;
  const offsets = config.annotations[TIME_OFFSETS]!;
  const [, clock, seconds] = /^(monotonic|boottime) (-?\d{1,10}) 0+$/.exec(offsets) ?? [];
  const refuse = (why: string) => {
    const message = `${TIME_OFFSETS} ${JSON.stringify(offsets.slice(0, OFFSETS_SHOWN))}: ${why}`;
    return new RuntimeError("invalid-argument", message, { remedy: "such as: boottime 86400 0" });
  };
  if (clock === undefined) throw refuse("not monotonic or boottime, seconds, and no nanoseconds");
  const pin = pinnedNamespace(paths, "time");
  // That of an earlier start.
  deleteNetns(pin);
  createPin(pin);
  const args = [`--time=${pin}`, `--${clock}=${seconds}`, "true"];
  step(() => `touch ${pin} && unshare ${args.join(" ")}`);
  const { code, stderr } = await runCommand("unshare", args);
  if (code !== 0) {
    deleteNetns(pin);
    throw refuse(stderr.toString("utf8").trim());
  }
  mount({ source: "none", target: pin, flags: MountFlag.private });
}

const OFFSETS_SHOWN = 100;
