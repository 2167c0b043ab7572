import { CodedError } from "@raft2kube/std/errors.ts";
import { MODE_NAMES, type ModeName } from "../mode-names.ts";
import { IPTABLES_MODE } from "./iptables/apply.ts";
import { IPVS_MODE } from "./ipvs/apply.ts";
import { nftablesMode } from "./nftables/apply.ts";
import type { Mode } from "./rules.ts";
import { USERSPACE_MODE } from "./userspace/apply.ts";

const MODES: Readonly<Record<ModeName, Mode>> = {
  nftables: nftablesMode("r2k-proxy"),
  iptables: IPTABLES_MODE,
  ipvs: IPVS_MODE,
  userspace: USERSPACE_MODE,
};

/** Returns a mode. Throws CodedError `unknown-mode`. */
export function modeNamed(name: string): Mode {
  const mode = Object.entries(MODES).find(([known]) => known === name)?.[1];
  if (mode) return mode;
  const remedy = `use one of ${MODE_NAMES.join(", ")}`;
  throw new CodedError("unknown-mode", `proxy mode ${name} is not supported`, { remedy });
}

/** Removes what all modes but `kept` left in this namespace; returns the names of those. */
export async function removeOthers(kept?: string): Promise<string[]> {
  const removed: string[] = [];
  for (const [name, mode] of Object.entries(MODES)) {
    if (name === kept || !(await mode.isPresent())) continue;
    await mode.remove();
    removed.push(name);
  }
  return removed;
}
