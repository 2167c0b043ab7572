import { readFile } from "node:fs/promises";
import { release } from "node:os";
import { mappedFromZero, readMappedIds } from "@raft2kube/linux/namespace/user-namespace.ts";
import { type Check, failed, ok, warning } from "./check.ts";
import { tryCommand, tryInNamespaces } from "./command.ts";

const KERNEL_MIN = [5, 4] as const;
const CAP_SYS_ADMIN = 1n << 21n;
const CAP_NET_ADMIN = 1n << 12n;

const privileges: Check = {
  name: "privileges",
  async ask() {
    const status = await readFile("/proc/self/status", "utf8");
    const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
    const needed = CAP_SYS_ADMIN | CAP_NET_ADMIN;
    if ((effective & needed) === needed) return ok("root, or root in a user namespace");
    return failed("not root", "run as root: sudo npm start, or in a user namespace: unshare -Urnm");
  },
};

/** Ids that an image's files and programs may have, the pause program's 65535 among them. */
const IDS_NEEDED = 65_536;

/**
 * Checks which ids are mapped: in a user namespace only these can own files and be run as
 * (user_namespaces(7)).
 */
const userIds: Check = {
  name: "user ids",
  async ask() {
    const ids = readMappedIds();
    const count = Math.min(mappedFromZero(ids.users), mappedFromZero(ids.groups));
    if (count >= IDS_NEEDED) return ok(`${IDS_NEEDED} and more are mapped`);
    if (count === 0) return failed("none is mapped from 0 on", "unshare --map-root-user ...");
    return warning(
      `only ${count} of ${IDS_NEEDED} are mapped in this user namespace; pods run as those only`,
      "run as root, or map more: apt-get install uidmap, unshare --map-auto -Urnm",
    );
  },
};

const kernelVersion: Check = {
  name: "kernel version",
  async ask() {
    const version = release();
    const [major = 0, minor = 0] = version.split(".").map(Number);
    const fits = major > KERNEL_MIN[0] || (major === KERNEL_MIN[0] && minor >= KERNEL_MIN[1]);
    if (fits) return ok(version);
    return failed(version, `Linux ${KERNEL_MIN.join(".")} or later is needed`);
  },
};

/**
 * A kernel feature that is tried by a script in namespaces of its own; one that a cluster can do
 * without says what is then missing.
 */
const tried = (name: string, script: string, remedy: string, without?: string): Check => ({
  name,
  async ask() {
    const { succeeded, output } = await tryInNamespaces(script);
    if (succeeded) return ok("works");
    return without ? warning(`${without}: ${output}`, remedy) : failed(output, remedy);
  },
});

const module = (name: string) =>
  `load the kernel module (modprobe ${name}) or use a kernel with it`;

const features: readonly Check[] = [
  tried("network namespaces", "true", "a kernel with CONFIG_NET_NS, and the right to use it"),
  tried("veth", "ip link add r2k0 type veth peer name r2k1", module("veth")),
  tried("bridge", "ip link add r2k0 type bridge", module("bridge")),
  tried(
    "overlayfs",
    "mount -t tmpfs r2k /mnt && cd /mnt && mkdir a b c d && " +
      "mount -t overlay r2k -o lowerdir=a,upperdir=b,workdir=c d",
    module("overlay"),
  ),
  tried(
    "nftables with NAT",
    "nft add table ip r2k && " +
      "nft 'add chain ip r2k c { type nat hook prerouting priority -100; }' && " +
      "nft add rule ip r2k c numgen random mod 2 vmap '{ 0 : accept, 1 : accept }'",
    module("nf_tables nft_chain_nat nft_numgen"),
  ),
  tried(
    "nftables sets of ranges",
    "nft add table ip r2k && " +
      "nft add set ip r2k s '{ type ipv4_addr . ipv4_addr; flags interval; }'",
    "Linux 5.6 or later is needed",
  ),
  tried(
    "bridged packets in netfilter",
    "test -e /proc/sys/net/bridge/bridge-nf-call-iptables",
    module("br_netfilter"),
  ),
  tried(
    "checks of what pods send",
    "nft add table netdev r2k && nft 'add chain netdev r2k c " +
      '{ type filter hook ingress device "lo" priority -500; }\'',
    "a kernel with nf_tables and CONFIG_NETFILTER_INGRESS",
    "pods can send with each other's addresses",
  ),
];

const forwarding: Check = {
  name: "firewall forward policy",
  async ask() {
    const { output } = await tryCommand("nft", "list", "chains");
    const rules = /type filter hook forward[^;]*; policy drop/.exec(output)?.[0];
    if (rules === undefined) return ok("no policy that drops forwarded packets");
    return warning(
      `forwarded packets are dropped by default (${rules}); pods will not reach beyond this host`,
      "accept them: nft insert rule ip filter FORWARD iifname 'r2k*' accept (or DOCKER-USER)",
    );
  },
};

export const kernelChecks: readonly Check[] = [
  privileges,
  userIds,
  kernelVersion,
  ...features,
  forwarding,
];
