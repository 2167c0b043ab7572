import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CniError } from "@raft2kube/cni/lib/errors.ts";
import { configureInside, createPair, deletePair } from "@raft2kube/cni/lib/veth.ts";
import type { BridgeConfig } from "@raft2kube/cni/plugins/bridge/config.ts";
import { ensureBridge, ensureGateway } from "@raft2kube/cni/plugins/bridge/veth.ts";
import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { addAddress, listAddresses } from "@raft2kube/linux/netlink/address.ts";
import { createVeth, getLink, openRoute, setLink } from "@raft2kube/linux/netlink/link.ts";
import { readSysctl, writeSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { asError, CodedError } from "@raft2kube/std/errors.ts";
import { check } from "../check.ts";
import { judge } from "../judge.ts";
import { mustEqual, mustFail } from "../must.ts";
import { GATEWAY, withHost } from "./host.ts";
import { addressesOf, linkOf } from "./kernel.ts";

const CONFIG = { bridge: "cni0", mtu: 1450, promiscuous: false } as BridgeConfig;

check("the bridge: made once, up, with its own hardware address; another kind is refused", () =>
  withHost(async ({ net }) => {
    using route = openRoute();
    const first = ensureBridge(route, CONFIG);
    const second = ensureBridge(route, CONFIG);
    mustEqual([first.kind, first.up], ["bridge", true], {
      when: "cni0 is needed: its kind; is it up",
      why: "a bridge that is down forwards nothing",
    });
    mustEqual(second.mtu, 1450, {
      when: "cni0 is needed, twice, with an MTU of 1450: the bridge's own MTU",
      why: "the host would send its containers packets that are too large for them",
    });
    mustEqual(second.index, first.index, {
      when: "cni0 is needed a second time: the link's index",
      why: "the first container's end is a port of the first bridge",
    });
    mustEqual(second.mac, first.mac, {
      when: "cni0 is needed a second time: its hardware address",
      why: "containers have the gateway's hardware address in their neighbour tables",
    });
    mustEqual(learns("cni0"), "0", { when: `${REDIRECTS} of cni0`, why: WHY_LEARNS });
    const eager = ensureBridge(route, { ...CONFIG, promiscuous: true });
    mustEqual([first.promiscuous, eager.promiscuous], [false, true], {
      when: "cni0 is needed, and then with promiscMode; is it promiscuous",
      why: "hairpin traffic of a bridge takes it, and nothing else should",
    });
    await addPort(first.index);
    judge(linkOf(net.host, "cni0")?.mac === first.mac, {
      when: "a port with a lower hardware address is added",
      expected: `the bridge keeps ${first.mac}`,
      happened: `it has the port's: ${linkOf(net.host, "cni0")?.mac}`,
      why: "containers have the gateway's hardware address in their neighbour tables",
    });
    createVeth(route, { name: "cni1" }, { name: "other1" });
    const error = await mustFail(
      (async () => ensureBridge(route, { ...CONFIG, bridge: "cni1" }))(),
      CniError,
      {
        when: "the configured name is that of a veth",
        expected: "error 7, invalid config",
        why: "the veth's end cannot become its port; the error should name the cause",
      },
    );
    mustEqual(error.number, 7, { when: "cni1 is a veth", why: "error 7: invalid config" });
  }),
);

const REDIRECTS = "accept_redirects";
const WHY_LEARNS = "a pod could give the node another route (CVE-2020-10749)";
const learns = (link: string) => readSysctl(`net/ipv4/conf/${link}/${REDIRECTS}`);

/** A link with the lowest possible hardware address becomes a port. */
async function addPort(bridge: number): Promise<void> {
  using route = openRoute();
  createVeth(route, { name: "low0", mac: "02:00:00:00:00:01" }, { name: "other0" });
  setLink(route, getLink(route, "low0"), { master: bridge, up: true });
}

check("the gateway: its address on the bridge; another address is refused, or replaced", () =>
  withHost(async () => {
    using route = openRoute();
    const bridge = ensureBridge(route, CONFIG);
    for (let i = 0; i < 2; i++) ensureGateway(route, bridge, ["10.88.0.1/24"], false);
    const why = "the containers' default route leads to this address";
    mustEqual(addressesOf("cni0"), ["10.88.0.1/24"], { when: "the gateway is made twice", why });
    for (const other of ["10.77.0.1/24", "10.88.0.1/16"]) {
      writeSysctl(FORWARD_4, 0);
      const refused = {
        when: `the bridge has 10.88.0.1/24, and the gateway is ${other}`,
        expected: "error 7, and the address stays",
        why: "two networks share a bridge by mistake: the first would lose its gateway",
      };
      const gateway = (async () => ensureGateway(route, bridge, [other], false))();
      const { number } = await mustFail(gateway, CniError, refused);
      mustEqual(number, 7, { ...refused, when: `${refused.when}: the error` });
      mustEqual(addressesOf("cni0"), ["10.88.0.1/24"], refused);
      mustEqual(readSysctl(FORWARD_4), "0", {
        when: `${refused.when}; ip_forward`,
        why: "a host that is no gateway would forward packets: one step of a failed ADD stays",
      });
    }
    addAddress(route, bridge.index, "10.66.0.1/24");
    ensureGateway(route, bridge, ["10.77.0.1/24"], true);
    mustEqual(addressesOf("cni0"), ["10.77.0.1/24"], {
      when: "the bridge has 10.88.0.1/24 and 10.66.0.1/24, the gateway is 10.77.0.1, forceAddress",
      why,
    });
    mustEqual(readSysctl(FORWARD_4), "1", { when: "ip_forward after that", why: WHY_FORWARDS });
  }),
);

const FORWARD_4 = "net.ipv4.ip_forward";
const FORWARD_6 = "net.ipv6.conf.all.forwarding";
const WHY_FORWARDS = "packets to and from other hosts pass through the gateway";

check("the gateway: of two IPv4 ones the second finds the first; IPv6 has several", () =>
  withHost(async () => {
    using route = openRoute();
    const bridge = ensureBridge(route, CONFIG);
    const both = ["10.1.0.1/24", "10.2.0.1/24"];
    const refused = {
      when: `two gateways at once, ${both.join(" and ")}, on a new bridge`,
      expected: "error 7: the second finds the first on the bridge",
      why: "a network of two IPv4 ranges would work on this host, and fail on the next one",
    };
    await mustFail((async () => ensureGateway(route, bridge, both, false))(), CniError, refused);
    mustEqual(addressesOf("cni0"), ["10.1.0.1/24"], { ...refused, when: "the addresses then" });
    ensureGateway(route, bridge, ["10.3.0.1/24", "10.4.0.1/24"], true);
    mustEqual(addressesOf("cni0"), ["10.4.0.1/24"], {
      when: "the bridge has 10.1.0.1/24; 10.3.0.1/24 and 10.4.0.1/24 at once, with forceAddress",
      why: "forceAddress: the last one given is the bridge's address",
    });
    writeSysctl(FORWARD_6, 0);
    for (const cidr of ["fd00:1::1/64", "fd00:2::1/64"]) {
      ensureGateway(route, bridge, [cidr], false);
    }
    const six = listAddresses(route, bridge.index).filter(({ cidr }) => cidr.startsWith("fd00:"));
    mustEqual(six.map(({ cidr }) => cidr).sort(), ["fd00:1::1/64", "fd00:2::1/64"], {
      when: "two IPv6 gateways, one after the other",
      why: "an IPv6 link has many addresses: two networks may share a bridge",
    });
    mustEqual(readSysctl(FORWARD_6), "1", {
      when: "IPv6 gateways; net.ipv6.conf.all.forwarding",
      why: WHY_FORWARDS,
    });
  }),
);

check("a pair: both ends as the settings have them, the host's end up, the container's down", () =>
  withHost(async (host) => {
    const { netns } = host.container();
    using route = openRoute();
    const at = { netns, ifName: "eth0" };
    const mac = "02:00:00:00:00:42";
    const master = ensureBridge(route, CONFIG).index;
    const pair = createPair(route, at, { mtu: 1400, mac, master });
    const [outer, inner] = [linkOf(host.net.host, pair.host.name), linkOf(netns, "eth0")];
    mustEqual([outer?.mtu, inner?.mtu], [1400, 1400], {
      when: "a pair with an MTU of 1400: that of the host's end, of the container's",
      why: "a packet that fits into one end only is lost at the other",
    });
    mustEqual([inner?.mac, pair.container.mac, outer?.mac !== mac], [mac, mac, true], {
      when:
        `a pair for a container with the hardware address ${mac}: that of its end, in the ` +
        "result too; has the host's end another",
      why: "a network that knows its machines by hardware address lets no other in",
    });
    mustEqual([outer?.up, inner?.up, outer?.master], [true, false, master], {
      when: "a new pair: is the host's end up, is the container's; whose port is the host's",
      why: "a container that is up before it is confined can send what the rules would drop",
    });
    mustEqual(learns(pair.host.name), "0", {
      when: `${REDIRECTS} of the host's end`,
      why: WHY_LEARNS,
    });
    const fails = {
      when: "a pair, and there is an eth0",
      expected: "error 4, invalid environment; eth0 stays",
      why: "a runtime reads the code: the container's state is wrong, not the network's",
    };
    const { number } = await mustFail(
      (async () => createPair(route, at, { mtu: undefined }))(),
      CniError,
      fails,
    );
    judge(number === 4, { ...fails, happened: `error ${number}` });
    mustEqual(linkOf(netns, "eth0")?.index, inner?.index, {
      when: "eth0 after that",
      why: "an earlier ADD made it, and its container runs",
    });
  }),
);

check("the container's end: up, with addresses and routes as the plan has them", () =>
  withHost(async (host) => {
    const { netns } = host.container();
    using route = openRoute();
    const at = { netns, ifName: "eth0" };
    createPair(route, at, { mtu: undefined });
    const ips = [{ address: "10.88.0.2/24", gateway: GATEWAY }];
    const routes = [
      { dst: "10.88.0.0/24", scope: 253 },
      { dst: "10.5.0.0/16", gw: "10.88.0.9", mtu: 1400, advmss: 1360, priority: 50, table: 77 },
      { dst: "10.6.0.0/16", scope: 253 },
      { dst: "10.8.0.0/16", scope: 200 },
    ];
    configureInside(at, { ips, routes });
    mustEqual(linkOf(netns, "eth0")?.up, true, {
      when: "eth0 is configured: is it up",
      why: "a link that is down carries nothing",
    });
    const kernel = inNetns(netns, () => ({
      addresses: addressesOf("eth0"),
      redirects: learns("eth0"),
      notify: readSysctl("net/ipv4/conf/eth0/arp_notify"),
    }));
    mustEqual(
      kernel,
      { addresses: ["10.88.0.2/24"], redirects: "0", notify: "1" },
      {
        when: `eth0 is configured: its addresses, ${REDIRECTS}, arp_notify`,
        why:
          "a neighbour must not change its routes; one that knows its address by another " +
          "hardware address must learn this one",
      },
    );
    mustEqual(
      routeTo(netns, "10.5."),
      "10.5.0.0/16 via 10.88.0.9 dev eth0 table 77 metric 50 mtu 1400 advmss 1360",
      {
        when: "a route of the result with mtu, advmss, priority and a table of its own",
        why: "CNI 1.1: each is a promise of the administrator's",
      },
    );
    mustEqual(routeTo(netns, "10.6."), "10.6.0.0/16 dev eth0 scope link", {
      when: "a route with scope 253",
      why: "253 is RT_SCOPE_LINK: its destinations are neighbours",
    });
    mustEqual(routeTo(netns, "10.8."), "10.8.0.0/16 via 10.88.0.1 dev eth0 scope site", {
      when: "a route with scope 200",
      why: "CNI 1.1: the scope is the administrator's, too; without a gw the address's is taken",
    });
    const lost = [{ dst: "10.7.0.0/16", gw: "192.0.2.1" }];
    const refused = (async () => configureInside(at, { ips: [], routes: lost }))();
    await mustFail(refused, CodedError, {
      when: "a route by a gateway that no address reaches",
      expected: "an error",
      why: "the container would start without its network",
    });
    const other = { netns: host.container().netns, ifName: "eth0" };
    createPair(route, other, { mtu: undefined });
    configureInside(other, { ips, routes: [] }, { connected: false });
    mustEqual(routeTo(other.netns, "10.88.0.0/24"), "none", {
      when: "configured with connected: false; the route to 10.88.0.0/24",
      why: "the plugin ptp routes each address by the host: its containers are no neighbours",
    });
  }),
);

/** A route of any table, as `ip route` has it. */
function routeTo(netns: string, to: string): string {
  const words = ["-4", "route", "show", "table", "all"];
  const listed = inNetns(netns, () => execFileSync("ip", words, { encoding: "utf8" }));
  const line = listed.split("\n").find((each) => each.startsWith(to)) ?? "none";
  return line.replace("proto static ", "").replaceAll(/ +/g, " ").trim();
}

check("a pair is deleted: none is no error, and other errors are passed on", () =>
  withHost(async (host) => {
    const { netns } = host.container();
    using route = openRoute();
    createPair(route, { netns, ifName: "eth0" }, { mtu: undefined });
    const plain = join(host.net.root, "no-namespace");
    writeFileSync(plain, "");
    for (const gone of [join(host.net.root, "gone"), plain, ""]) await deletePair(gone, "eth0");
    const fails = {
      when: `deletePair, and the namespace cannot be opened: ${plain}/x (ENOTDIR)`,
      expected: "the error: only ENOENT and EINVAL mean that there is none",
      why: "the address would be given back while the pair still uses it",
    };
    const deleted = deletePair(join(plain, "x"), "eth0");
    const error = await deleted.then(() => undefined, asError);
    judge(error !== undefined, { ...fails, happened: "it returned" });
    for (let i = 0; i < 2; i++) await deletePair(netns, "eth0");
    mustEqual(linkOf(netns, "eth0"), undefined, {
      when: "deletePair, twice: eth0",
      why: "DEL is repeated until it succeeds",
    });
  }),
);
