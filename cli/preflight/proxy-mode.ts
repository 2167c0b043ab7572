import { Ipvs } from "@raft2kube/linux/ipvs.ts";
import { MODE_NAMES, type ModeName } from "@raft2kube/proxy/mode-names.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { type Check, type Finding, failed, ok } from "./check.ts";

/**
 * Whether this machine's kernel can serve Services in the cluster's mode. A node that is a guest
 * has a kernel of its own; all others use this one, so the cluster does not start without it.
 */
export const proxyModeCheck: Check = {
  name: "proxy mode",
  ask: ({ proxyMode = MODE_NAMES[0] }) => Promise.resolve(modeFinding(proxyMode, hasIpvs)),
};

/** Judges a mode. The other ones need no more than nftables, which a check of its own tries. */
export function modeFinding(mode: ModeName, kernelHasIpvs: () => boolean): Finding {
  if (mode !== "ipvs" || kernelHasIpvs()) return ok(mode);
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
