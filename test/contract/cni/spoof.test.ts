import { join } from "node:path";
import { buildPlugins } from "@raft2kube/cni/build.ts";
import { createCni } from "@raft2kube/cni/lib/cni.ts";
import { parseConflist } from "@raft2kube/cni/lib/conflist.ts";
import type { Attachment } from "@raft2kube/cni/lib/types.ts";
import { inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { applyRuleset, listRuleset } from "@raft2kube/linux/netfilter/nft.ts";
import { listAddresses } from "@raft2kube/linux/netlink/address.ts";
import { getLink, openRoute } from "@raft2kube/linux/netlink/link.ts";
import { listRoutes } from "@raft2kube/linux/netlink/route.ts";
import { readSysctl, writeSysctl } from "@raft2kube/linux/proc/sysctl.ts";
import { baseRules, TABLE } from "@raft2kube/network-policy/base.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createHostNetwork, type HostNetwork } from "../../../testing/network/host-network.ts";
import { waitFor } from "../../../testing/wait.ts";
import {
  arp,
  BROADCAST,
  duplicateProbe,
  ethernet,
  firstFragment6,
  icmp6,
  neighbourAdvertisement,
  openRaw,
  type RawLink,
  routerAdvertisement,
  tooBig4,
  tooBig6,
  udp4,
} from "./frames.ts";

const ALL_NODES_MAC = "33:33:00:00:00:01";
/** Frames to it are for the port itself, and go round the bridge (IEEE 802.1D, table 7-10). */
const LINK_LOCAL_MAC = "01:80:c2:00:00:0e";
const IP = 0x0800;
const ARP = 0x0806;
const VLAN = 0x8100;
const IP6 = 0x86dd;

interface Pod {
  netns: string;
  mac: string;
  /** IPv4 and IPv6. */
  ips: [string, string];
  attachment: Attachment;
  /** The bridge's port. */
  port: string;
  raw: RawLink;
}

let net: HostNetwork;
let cni: ReturnType<typeof createCni>;

beforeAll(async () => {
  net = createHostNetwork();
  const bin = join(net.root, "bin");
  await buildPlugins(bin);
  cni = createCni({ pluginDirs: [bin], cacheDir: join(net.root, "cache") });
});
afterAll(() => net.close());

/**
 * A network of two pods; `checks` are the options of the bridge that matter here, `chained` the
 * plugins that follow it.
 */
async function network(name: string, subnet: number, checks: object, chained: object[] = []) {
  const list = parseConflist(
    JSON.stringify({
      name,
      cniVersion: "1.1.0",
      plugins: [
        {
          type: "bridge",
          bridge: `br-${name}`,
          isGateway: true,
          hairpinMode: true,
          ...checks,
          ipam: {
            type: "host-local",
            dataDir: join(net.root, "ipam"),
            ranges: [[{ subnet: `10.88.${subnet}.0/24` }], [{ subnet: `fd00:${subnet}::/64` }]],
          },
        },
        ...chained,
      ],
    }),
    name,
  );
  const pod = async (): Promise<Pod> => {
    const netns = net.container();
    const attachment = { containerId: `${name}-${netns.split("/").pop()}`, netns, ifName: "eth0" };
    const result = await cni.addNetworkList(list, attachment);
    const ips = result.ips?.map(({ address }) => address.split("/")[0]) as [string, string];
    const mac = inNetns(netns, () => {
      using route = openRoute();
      return getLink(route, "eth0").mac;
    });
    const port = result.interfaces?.[1]?.name ?? "";
    return { netns, mac, ips, attachment, port, raw: openRaw(netns, "eth0") };
  };
  return { list, attacker: await pod(), victim: await pod() };
}

/** Whether a frame of `from` comes out at `to`, which is known once a later frame has. */
async function arrives(from: Pod, to: Pod, frame: Buffer): Promise<boolean> {
  to.raw.receive();
  from.raw.send(frame);
  const marker = udp4(from.ips[0], to.ips[0], `marker ${Math.random()}`);
  from.raw.send(ethernet(to.mac, from.mac, IP, marker));
  const seen: Buffer[] = [];
  await waitFor("the frame after it", () => {
    seen.push(...to.raw.receive());
    return seen.some((each) => each.subarray(14, 14 + marker.length).equals(marker)) || undefined;
  });
  // The tag of a VLAN does not come with the frame (packet(7), PACKET_AUXDATA).
  const tagged = frame.readUInt16BE(12) === VLAN;
  const bare = tagged ? Buffer.concat([frame.subarray(0, 12), frame.subarray(16)]) : frame;
  return seen.some((each) => each.subarray(0, bare.length).equals(bare));
}

function linkLocal({ netns }: Pod): string {
  return inNetns(netns, () => {
    using route = openRoute();
    const own = listAddresses(route, getLink(route, "eth0").index).map(({ cidr }) => cidr);
    return own.find((cidr) => cidr.startsWith("fe80:"))?.split("/")[0] ?? "";
  });
}

/** Frames that a pod may send to the other. */
const HONEST: Record<string, (own: Pod, to: Pod) => Buffer> = {
  "a datagram from its address": (own, to) =>
    ethernet(to.mac, own.mac, IP, udp4(own.ips[0], to.ips[0], "hello")),
  "an ARP announcement": (own) => {
    const me = { mac: own.mac, ip: own.ips[0] };
    return ethernet(BROADCAST, own.mac, ARP, arp(2, me, me));
  },
  "an ARP probe": (own, to) => {
    const target = { mac: "00:00:00:00:00:00", ip: to.ips[0] };
    return ethernet(BROADCAST, own.mac, ARP, arp(1, { mac: own.mac, ip: "0.0.0.0" }, target));
  },
  "a neighbour advertisement": (own) =>
    ethernet(ALL_NODES_MAC, own.mac, IP6, neighbourAdvertisement(own.mac, own.ips[1])),
  "an ICMP error about what was sent to it": (own, to) =>
    ethernet(to.mac, own.mac, IP, tooBig4(own.ips[0], to.ips[0], [to.ips[0], own.ips[0]])),
  "an ICMPv6 error about what was sent to it": (own, to) =>
    ethernet(to.mac, own.mac, IP6, tooBig6(own.ips[1], to.ips[1], [to.ips[1], own.ips[1]])),
  "a probe for its own IPv6 address": (own) =>
    ethernet(ALL_NODES_MAC, own.mac, IP6, duplicateProbe(own.ips[1])),
};

const OTHER_MAC = "02:00:00:00:00:99";
const GATEWAY = (pod: Pod) => pod.ips[0].replace(/\d+$/, "1");

/** Frames that a pod must not send, by the kind of identity that is forged. */
const FORGED_MAC: typeof HONEST = {
  "a datagram from another hardware address": (own, to) =>
    ethernet(to.mac, OTHER_MAC, IP, udp4(own.ips[0], to.ips[0], "hello")),
};
const FORGED: typeof HONEST = {
  "a datagram from another address": (own, to) =>
    ethernet(to.mac, own.mac, IP, udp4(GATEWAY(own), to.ips[0], "hello")),
  "an ARP announcement of the gateway's address": (own) => {
    const gateway = { mac: own.mac, ip: GATEWAY(own) };
    return ethernet(BROADCAST, own.mac, ARP, arp(2, gateway, gateway));
  },
  "an ARP answer with another hardware address": (own, to) => {
    const forged = { mac: OTHER_MAC, ip: own.ips[0] };
    return ethernet(to.mac, own.mac, ARP, arp(2, forged, { mac: to.mac, ip: to.ips[0] }));
  },
  "a neighbour advertisement of another's address": (own, to) =>
    ethernet(ALL_NODES_MAC, own.mac, IP6, neighbourAdvertisement(own.mac, to.ips[1], own.ips[1])),
  "a neighbour advertisement from another's address": (own, to) =>
    ethernet(ALL_NODES_MAC, own.mac, IP6, neighbourAdvertisement(own.mac, to.ips[1])),
  "a probe for another's IPv6 address": (own, to) =>
    ethernet(ALL_NODES_MAC, own.mac, IP6, duplicateProbe(to.ips[1])),
  "a router advertisement": (own) =>
    ethernet(ALL_NODES_MAC, own.mac, IP6, routerAdvertisement(own.mac, own.ips[1])),
  "a redirect": (own, to) =>
    ethernet(to.mac, own.mac, IP6, icmp6(own.ips[1], to.ips[1], 137, Buffer.alloc(36))),
  // The receiver takes the MTU for that address.
  "an ICMP error about what was sent to another": (own, to) =>
    ethernet(to.mac, own.mac, IP, tooBig4(own.ips[0], to.ips[0], [to.ips[0], GATEWAY(own)])),
  "the first fragment of an ICMP error": (own, to) =>
    ethernet(to.mac, own.mac, IP, tooBig4(own.ips[0], to.ips[0], [to.ips[0], own.ips[0]], 7)),
  "the first fragment of an ICMPv6 error": (own, to) => {
    const whole = tooBig6(own.ips[1], to.ips[1], [to.ips[1], own.ips[1]]);
    return ethernet(to.mac, own.mac, IP6, firstFragment6(whole));
  },
  "an ICMPv6 error about what was sent to another": (own, to) =>
    ethernet(to.mac, own.mac, IP6, tooBig6(own.ips[1], to.ips[1], [to.ips[1], to.ips[1]])),
  "a tagged frame with another's address inside": (own, to) =>
    ethernet(
      to.mac,
      own.mac,
      VLAN,
      Buffer.concat([Buffer.from([0, 5, 8, 0]), udp4(GATEWAY(own), to.ips[0], "hello")]),
    ),
  // NetworkPolicies do not see it, and the other pod reads VLAN 0 as no tag.
  "a tagged frame with its own address inside": (own, to) =>
    ethernet(
      to.mac,
      own.mac,
      VLAN,
      Buffer.concat([Buffer.from([0, 0, 8, 0]), udp4(own.ips[0], to.ips[0], "hello")]),
    ),
};

/** A redirection by tc takes frames before netfilter's ingress, and they come back after it. */
const SHAPED = { type: "bandwidth", egressRate: 1e12, egressBurst: 1e9 };

describe.each([
  ["", "chk", 1, []],
  [" and bounds of traffic", "shp", 5, [SHAPED]],
])("a pod with ipspoofchk%s", (_and, name, subnet, chained) => {
  let pods: Awaited<ReturnType<typeof network>>;
  beforeAll(async () => {
    pods = await network(name, subnet, { ipspoofchk: true }, chained);
  });

  test.each(Object.entries(HONEST))("sends %s", async (_what, frame) => {
    const { attacker, victim } = pods;
    expect(await arrives(attacker, victim, frame(attacker, victim))).toBe(true);
  });

  test.each(Object.entries({ ...FORGED, ...FORGED_MAC }))(
    "does not send %s",
    async (_what, frame) => {
      const { attacker, victim } = pods;
      expect(await arrives(attacker, victim, frame(attacker, victim))).toBe(false);
    },
  );

  test("does not take another's hardware address over by a frame for the port itself", async () => {
    const { attacker, victim } = pods;
    const stolen = ethernet(LINK_LOCAL_MAC, victim.mac, IP6, Buffer.alloc(60));
    attacker.raw.send(stolen);
    const back = ethernet(victim.mac, attacker.mac, IP, udp4(attacker.ips[0], victim.ips[0], "x"));
    expect(await arrives(attacker, victim, back)).toBe(true);
  });

  test("CHECK finds the rules gone; DEL and GC leave none behind", async () => {
    const [swept, its] = [`swept-${name}`, subnet + 10];
    const { list, attacker, victim } = await network(swept, its, { ipspoofchk: true }, chained);
    const chains = async () => {
      const objects = await listRuleset(["chains", "netdev"]);
      return objects.filter((object) => "chain" in object).length;
    };
    const each = 1 + chained.length;
    const before = await chains();
    await cni.checkNetworkList(list, attacker.attachment);
    await cni.delNetworkList(list, attacker.attachment);
    expect(await chains()).toBe(before - each);
    const { containerId: containerID, ifName: ifname } = victim.attachment;
    await cni.gcNetworkList(list, [{ containerID, ifname }]);
    expect(await chains()).toBe(before - each);
    await cni.gcNetworkList(list, []);
    expect(await chains()).toBe(before - 2 * each);
    for (const { raw } of [attacker, victim]) raw.close();
  });
});

describe("a pod with macspoofchk alone, as of the reference plugin", () => {
  test("sends from its own hardware address only", async () => {
    const { attacker, victim } = await network("maconly", 3, { macspoofchk: true });
    const [[, forgedMac]] = Object.entries(FORGED_MAC) as [[string, (typeof FORGED)[string]]];
    expect(await arrives(attacker, victim, forgedMac(attacker, victim))).toBe(false);
    const [[, forged]] = Object.entries(FORGED) as [[string, (typeof FORGED)[string]]];
    expect(await arrives(attacker, victim, forged(attacker, victim))).toBe(true);
  });
});

test("what a pod sends to no pod's address comes to no pod where policies are in force", async () => {
  const { attacker, victim } = await network("groups", 6, { ipspoofchk: true });
  const sent = (ip: string, mac = BROADCAST) =>
    ethernet(mac, attacker.mac, IP, udp4(attacker.ips[0], ip, "hello"));
  const frames = [
    sent("255.255.255.255"),
    sent("255.255.255.255", victim.mac),
    sent("10.88.6.255"),
    sent("224.0.0.1", "01:00:5e:00:00:01"),
    sent("239.1.1.1", victim.mac),
    // Local addresses of the other pod, or what it forwards.
    sent("127.0.0.1", victim.mac),
    sent("192.0.2.1", victim.mac),
  ];
  const arrived = async () => {
    const all: boolean[] = [];
    for (const frame of frames) all.push(await arrives(attacker, victim, frame));
    return all;
  };
  inNetns(net.host, () => writeSysctl("net.bridge.bridge-nf-call-iptables", 1));
  expect(await arrived()).toEqual(frames.map(() => true));
  await applyRuleset(baseRules("br-groups"), { netns: net.host });
  expect(await arrived()).toEqual(frames.map(() => false));
  // Other bridges of the host are not ours.
  await applyRuleset(baseRules(), { netns: net.host });
  expect(await arrived()).toEqual(frames.map(() => true));
  await applyRuleset(`delete table ip ${TABLE}\n`, { netns: net.host });
});

describe("a pod that is not checked", () => {
  let attacker: Pod;
  let victim: Pod;
  beforeAll(async () => {
    ({ attacker, victim } = await network("unchecked", 4, {}));
  });
  const defaultRoutes = (netns: string) =>
    inNetns(netns, () => {
      using route = openRoute();
      return listRoutes(route, 6).filter(({ to }) => to === "::/0");
    });

  // So that the tests above are about the checks.
  test.each(Object.entries({ ...HONEST, ...FORGED, ...FORGED_MAC }))(
    "sends %s",
    async (_what, frame) => {
      expect(await arrives(attacker, victim, frame(attacker, victim))).toBe(true);
    },
  );

  test.each([ALL_NODES_MAC, LINK_LOCAL_MAC])(
    "CVE-2020-10749: gives neither node nor pod a route by offering one to %s",
    async (to) => {
      const offer = routerAdvertisement(attacker.mac, linkLocal(attacker));
      const frame = ethernet(to, attacker.mac, IP6, offer);
      await arrives(attacker, victim, frame);
      expect(defaultRoutes(victim.netns)).toEqual([]);
      expect(defaultRoutes(net.host)).toEqual([]);
    },
  );

  test("links accept no router advertisements, set before they are up", () => {
    for (const link of ["br-unchecked", attacker.port]) {
      expect(readSysctl(`net/ipv6/conf/${link}/accept_ra`)).toBe("0");
      expect(readSysctl(`net/ipv6/conf/${link}/accept_redirects`)).toBe("0");
      expect(readSysctl(`net/ipv4/conf/${link}/accept_redirects`)).toBe("0");
    }
  });
});
