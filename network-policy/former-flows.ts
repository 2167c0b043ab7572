import { forgetFlowsOf } from "@raft2kube/linux/netfilter/conntrack.ts";
import type { Logger } from "@raft2kube/observe/log.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";

/** Errors of a kernel without ctnetlink: of the socket, and of its first message. */
const NO_CTNETLINK = ["EINVAL", "EOPNOTSUPP", "EPROTONOSUPPORT"];

/**
 * Returns what deletes the conntrack entries of an address; on a kernel without ctnetlink nothing,
 * which the first call logs.
 */
export function forgetKnown(
  log: Pick<Logger, "warn">,
  forget: (address: string) => Promise<unknown> = (address) => forgetFlowsOf(address),
): (address: string) => Promise<void> {
  let isLogged = false;
  return async (address) => {
    try {
      await forget(address);
    } catch (thrown) {
      if (!isErrno(thrown, ...NO_CTNETLINK)) throw thrown;
      if (isLogged) return;
      isLogged = true;
      log.warn("connections to the former pod of an address are admitted to the next one", {
        error: messageOf(thrown),
        remedy: "modprobe nf_conntrack_netlink, or a kernel with CONFIG_NF_CT_NETLINK",
      });
    }
  };
}
