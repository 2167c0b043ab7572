import { checkFailed } from "../../lib/check.ts";
import type { CniPlugin } from "../../lib/skel.ts";
import { configOf } from "./config.ts";

/**
 * An IPAM plugin that gives the container the addresses of the configuration or of the caller. It
 * has no state: nothing prevents two containers from having one address.
 */
export const staticIpam: CniPlugin = {
  name: "static",

  async add(call) {
    const { ips, routes, dns } = configOf(call);
    return {
      cniVersion: "1.1.0",
      ips,
      ...(routes.length ? { routes } : {}),
      ...(dns ? { dns } : {}),
    };
  },

  async del() {
    // Has no state.
  },

  async check(call) {
    const present = call.prevResult?.ips?.map(({ address }) => address) ?? [];
    const missing = configOf(call).ips.find(({ address }) => !present.includes(address));
    if (missing) throw checkFailed(`the container lost its address ${missing.address}`);
  },

  async status(call) {
    configOf(call);
  },

  async gc() {
    // Has no state.
  },
};
