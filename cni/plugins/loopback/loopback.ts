import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { addAddress, listAddresses } from "@raft2kube/linux/netlink/address.ts";
import { getLink, openRoute, setLink } from "@raft2kube/linux/netlink/link.ts";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";
import { CniError } from "../../lib/errors.ts";
import type { CniPlugin } from "../../lib/skel.ts";
import type { CniResult } from "../../lib/types.ts";

/** Sets the loopback link of the container up. */
export const loopback: CniPlugin = {
  name: "loopback",

  async add(call) {
    const result = inNetns(call.netns, (): CniResult => {
      using route = openRoute();
      const link = getLink(route, "lo");
      setLink(route, link, { up: true });
      // Current kernels add 127.0.0.1 themselves; older ones do not.
      addAddress(route, link.index, "127.0.0.1/8");
      const ips = listAddresses(route, link.index).map(({ cidr }) => ({
        address: cidr,
        interface: 0,
      }));
      const interfaces = [{ name: "lo", mac: link.mac, sandbox: call.netns }];
      return { cniVersion: "1.1.0", interfaces, ips };
    });
    return call.prevResult ?? result;
  },

  async del(call) {
    if (call.netns === "") return;
    const setDown = () => {
      using route = openRoute();
      setLink(route, getLink(route, "lo"), { up: false });
    };
    // The namespace and its link may be deleted.
    tolerateSync(() => inNetns(call.netns, setDown), errno("ENOENT"));
  },

  async check(call) {
    const { up } = inNetns(call.netns, () => {
      using route = openRoute();
      return getLink(route, "lo");
    });
    if (!up) throw new CniError("check-failed", `lo in ${call.netns} is down`);
  },

  async status() {
    // Has no requirements.
  },

  async gc() {
    // Has no state outside the container's namespace.
  },
};
