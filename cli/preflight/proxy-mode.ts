import { Ipvs } from "@raft2kube/linux/netfilter/ipvs.ts";
import { MODE_NAMES, type ModeName } from "@raft2kube/proxy/mode-names.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { type Check, type Finding, failed, ok } from "./check.ts";
import { findProgram } from "./programs.ts";

/** One of them writes mode iptables' rules (`base/linux/netfilter/iptables.ts#findIptables`). */
const IPTABLES_PROGRAMS = ["iptables-nft-restore", "iptables-legacy-restore"];

/**
 * Whether this machine's kernel can serve Services in the cluster's mode. A node that is a guest
 * has a kernel of its own; all others use this one, so the cluster does not start without it.
 */
export const proxyModeCheck: Check = {
  name: "proxy mode",
  ask: ({ proxyMode = MODE_NAMES[0] }) => modeFinding(proxyMode, { hasIpvs, findProgram }),
};

/** Judges a mode, beside what it needs of nftables, which a check of its own tries. */
export async function modeFinding(
  mode: ModeName,
  on: { hasIpvs: () => boolean; findProgram: typeof findProgram },
): Promise<Finding> {
  const found = await Promise.all(IPTABLES_PROGRAMS.map(on.findProgram));
  if (mode === "iptables" && found.every((path) => path === undefined)) {
    const missing = `the mode iptables needs ${IPTABLES_PROGRAMS.join(" or ")}: not found`;
    return failed(missing, "apt-get install iptables, or another --proxy-mode");
  }
  if (mode !== "ipvs" || on.hasIpvs()) return ok(mode);
  return failed(
    "this kernel has no IPVS, which the mode ipvs needs on every node but guests",
    "modprobe ip_vs; or start in another mode, and have IPVS in a node with a kernel of its own: " +
      "r2k node add NAME --guest --proxy-mode ipvs",
  );
}

/** Whether the kernel has IPVS; it loads its module for that if there is one. */
export function hasIpvs(): boolean {
  try {
    new Ipvs()[Symbol.dispose]();
    return true;
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return false;
    throw thrown;
  }
}
