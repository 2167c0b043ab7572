/** Names of the kinds of rules, as `--proxy-mode` takes them; the first is the default. */
export const MODE_NAMES = ["nftables", "iptables", "ipvs", "userspace"] as const;
export type ModeName = (typeof MODE_NAMES)[number];
