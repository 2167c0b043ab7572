import type { ModeName } from "@raft2kube/proxy/mode-names.ts";
import { given } from "@raft2kube/std/given.ts";
import { parsed, wholeNumber } from "../flag-numbers.ts";
import { requireGuests } from "../guest/kernel.ts";
import type { ClusterConfig, GuestConfig } from "../spec/config.ts";
import { CommandError } from "../terminal.ts";

/** A guest with less does not start a node; more than the machine has ends in its OOM killer. */
const MEMORY_MIB_MIN = 384;
const MEMORY_MIB_MAX = 65_536;
export const GUEST_MEMORY_MIB = 1024;
const DISK_GIB_MAX = 1024;
export const GUEST_DISK_GIB = 8;
/** Modes that need no nftables. */
export const GUEST_PROXY_MODES = ["ipvs", "iptables"] as const satisfies readonly ModeName[];

export type GuestFlags = { guest?: boolean; memory?: string; disk?: string; proxyMode?: ModeName };

/** Returns a new guest without flags. Its rules are of the cluster's kind if its kernel has it. */
export const defaultGuest = ({ proxyMode }: Pick<ClusterConfig, "proxyMode">): GuestConfig => ({
  memory_MiB: GUEST_MEMORY_MIB,
  disk_GiB: GUEST_DISK_GIB,
  proxyMode: GUEST_PROXY_MODES.find((mode) => mode === proxyMode) ?? GUEST_PROXY_MODES[0],
});

/**
 * Returns what a new node is as a guest, by the flags of `r2k node add`; undefined without
 * `--guest`. Throws CommandError.
 */
export function guestOf(
  flags: GuestFlags,
  cluster: Pick<ClusterConfig, "proxyMode">,
): GuestConfig | undefined {
  const { guest = false, memory, disk, proxyMode } = flags;
  if (!guest) {
    const [other] = [memory, disk, proxyMode].filter((flag) => flag !== undefined);
    if (other === undefined) return undefined;
    throw new CommandError("BAD_FLAG", "--memory, --disk and --proxy-mode are a guest's", {
      remedy: "add --guest, or leave them out",
    });
  }
  requireGuests();
  return {
    ...defaultGuest(cluster),
    ...given({
      memory_MiB: parsed(memory, (text) => {
        return wholeNumber("--memory", text, MEMORY_MIB_MIN, MEMORY_MIB_MAX);
      }),
      disk_GiB: parsed(disk, (text) => wholeNumber("--disk", text, 1, DISK_GIB_MAX)),
      proxyMode,
    }),
  };
}

/**
 * Returns what a known node is as a guest when `r2k node start` changes its mode; undefined without
 * the flag. Throws CommandError for a node that is none, or that runs.
 */
export function changedGuest(
  { proxyMode }: Pick<GuestFlags, "proxyMode">,
  node: Pick<ClusterConfig, "nodeName" | "name" | "guest">,
  isRunning: boolean,
): GuestConfig | undefined {
  if (proxyMode === undefined || proxyMode === node.guest?.proxyMode) return undefined;
  const { nodeName, name, guest } = node;
  if (guest === undefined) {
    throw new CommandError("BAD_FLAG", `node ${nodeName} is no guest: its mode is the cluster's`, {
      remedy: `r2k start --proxy-mode ${proxyMode} --name ${name}`,
    });
  }
  if (isRunning) {
    const why = "a change of its rules boots the guest again, and its containers are in it";
    throw new CommandError("RUNNING", `node ${nodeName} runs; ${why}`, {
      remedy: `r2k node stop ${nodeName} --name ${name}, then start it with this flag`,
    });
  }
  return { ...guest, proxyMode };
}
