import { isErrno } from "@raft2kube/std/errors.ts";
import { writeSysctl } from "@raft2kube/linux/sysctl.ts";

/** What a kernel takes over from a neighbour's packets unless it is told not to. */
const LEARNED = [
  "ipv6/conf/*/accept_ra",
  "ipv6/conf/*/autoconf",
  "ipv6/conf/*/accept_redirects",
  "ipv4/conf/*/accept_redirects",
];

/**
 * Makes the kernel ignore what neighbours of a link say about routes: redirects, and router
 * advertisements, by which a pod would give the node a default route (CVE-2020-10749). Call it
 * before the link is up, in the link's namespace. Without IPv6 there is nothing to ignore.
 */
export function ignoreRouteOffers(link: string): void {
  for (const setting of LEARNED) {
    try {
      writeSysctl(`net/${setting.replace("*", link)}`, 0);
    } catch (thrown) {
      if (!isErrno(thrown, "ENOENT") || setting.startsWith("ipv4")) throw thrown;
    }
  }
}
