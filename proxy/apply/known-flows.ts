import { forgetFlows } from "@raft2kube/linux/netfilter/conntrack.ts";
import type { Logger } from "@raft2kube/observe/log.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";

/** Errors of a kernel without ctnetlink: of the socket, and of its first message. */
const NO_CTNETLINK = ["EINVAL", "EOPNOTSUPP", "EPROTONOSUPPORT"];

/**
 * Returns `forget` for kernels without ctnetlink, too: nothing is forgotten then, as the rules
 * serve without that, and the first call logs it. Upstream also logs the error, and continues.
 */
export function forgetKnownFlows(
  log: Pick<Logger, "warn">,
  forget: typeof forgetFlows = forgetFlows,
): typeof forgetFlows {
  let isLogged = false;
  return async (protocol, stale) => {
    try {
      return await forget(protocol, stale);
    } catch (thrown) {
      if (!isErrno(thrown, ...NO_CTNETLINK)) throw thrown;
      if (!isLogged) {
        log.warn(
          "stale conntrack entries are not deleted: UDP clients keep endpoints that are " +
            "gone until they pause",
          {
            error: messageOf(thrown),
            remedy: "modprobe nf_conntrack_netlink, or a kernel with CONFIG_NF_CT_NETLINK",
          },
        );
      }
      isLogged = true;
      return 0;
    }
  };
}
