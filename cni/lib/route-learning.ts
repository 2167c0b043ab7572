import { writeSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { isErrno } from "@raft2kube/std/errors.ts";

/** Settings by which the kernel accepts routes and addresses from neighbours. */
const SETTINGS = [
  "ipv6/conf/*/accept_ra",
  "ipv6/conf/*/autoconf",
  "ipv6/conf/*/accept_redirects",
  "ipv4/conf/*/accept_redirects",
];

/**
 * Disables redirects and router advertisements on a link, with which a pod could give the node a
 * default route (CVE-2020-10749). Must be called in the link's namespace before the link is up.
 * Missing IPv6 settings are ignored. Returns whether a setting differed.
 */
export function disableRouteLearning(link: string): boolean {
  let differed = false;
  for (const setting of SETTINGS) {
    try {
      if (writeSysctl(`net/${setting.replace("*", link)}`, 0)) differed = true;
    } catch (thrown) {
      if (!isErrno(thrown, "ENOENT") || setting.startsWith("ipv4")) throw thrown;
    }
  }
  return differed;
}
