import { closeSync, openSync } from "node:fs";
import { errno, isErrno, succeeds, tolerate } from "@raft2kube/std/errors.ts";
import { FairTurns } from "@raft2kube/std/turns.ts";
import { inNetns } from "../namespace/netns.ts";
import { macBytes, macText } from "../socket/address-bytes.ts";
import { step } from "../syscall/steps.ts";
import {
  attribute,
  nest,
  parseAttributes,
  textAttribute,
  textOf,
  u8Attribute,
  u32Attribute,
} from "./attributes.ts";
import { decodeBody, NetlinkError } from "./messages.ts";
import { NETLINK_ROUTE, NetlinkSocket, NLM_F } from "./netlink.ts";
import { parseVxlan, type Vxlan, vxlanAttributes } from "./vxlan.ts";

const RTM = { NEWLINK: 16, DELLINK: 17, GETLINK: 18, SETLINK: 19 } as const;
const IFLA = {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  LINK: 5,
  MASTER: 10,
  PROTINFO: 12,
  OPERSTATE: 16,
  LINKINFO: 18,
  IFALIAS: 20,
  GROUP: 27,
  NET_NS_FD: 28,
} as const;
const INFO = { KIND: 1, DATA: 2 } as const;
const VETH_INFO_PEER = 1;
const BRPORT = { HAIRPIN: 4, ISOLATED: 33 } as const;
const AF_BRIDGE = 7;
const IFF = { UP: 0x1, PROMISC: 0x100 } as const;
const OPERSTATES = [
  "unknown",
  "notpresent",
  "down",
  "lowerlayerdown",
  "testing",
  "dormant",
  "up",
] as const;

/** A network interface as the kernel has it. */
export interface Link {
  index: number;
  name: string;
  /** `veth`, `bridge`, `vxlan`, ...; empty for loopback and physical ones. */
  kind: string;
  mac: string;
  mtu: number;
  up: boolean;
  promiscuous: boolean;
  operstate: (typeof OPERSTATES)[number];
  /** The bridge it is a port of, 0 when none. */
  master: number;
  /** The index of a veth's other end, in that one's namespace; 0 when none. */
  peer: number;
  /** A text for people and owners; empty when none. */
  alias: string;
  /** Group of the link; absent in the default group, 0. */
  group?: number;
  /** Properties of a VXLAN link. */
  vxlan?: Vxlan;
}

/** The settings of a link; absent ones are unchanged. */
export interface LinkSettings {
  name?: string;
  mtu?: number;
  mac?: string;
  alias?: string;
  up?: boolean;
  promiscuous?: boolean;
  /** Index of the bridge; 0 takes it off. */
  master?: number;
  /** Path of the network namespace to move it to. */
  netns?: string;
}

/** A socket for links, addresses, routes and neighbours of the namespace this thread is in now. */
export const openRoute = (): NetlinkSocket => new NetlinkSocket(NETLINK_ROUTE);

function header(index = 0, flags = 0, change = 0, family = 0): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.writeUInt8(family, 0);
  bytes.writeInt32LE(index, 4);
  bytes.writeUInt32LE(flags, 8);
  bytes.writeUInt32LE(change >>> 0, 12);
  return bytes;
}

/** A link, of the body of RTM_NEWLINK. */
export function parseLink(body: Buffer): Link {
  const attributes = parseAttributes(body, 16);
  const flags = body.readUInt32LE(8);
  const u32 = (type: number) => attributes.get(type)?.readUInt32LE() ?? 0;
  const info = parseAttributes(attributes.get(IFLA.LINKINFO) ?? Buffer.alloc(0));
  const kind = textOf(info.get(INFO.KIND) ?? Buffer.alloc(0));
  const data = info.get(INFO.DATA);
  const mac = attributes.get(IFLA.ADDRESS);
  const group = u32(IFLA.GROUP);
  return {
    index: body.readInt32LE(4),
    name: textOf(attributes.get(IFLA.IFNAME) ?? Buffer.alloc(0)),
    kind,
    mac: mac ? macText(mac) : "",
    mtu: u32(IFLA.MTU),
    up: (flags & IFF.UP) !== 0,
    promiscuous: (flags & IFF.PROMISC) !== 0,
    operstate: OPERSTATES[attributes.get(IFLA.OPERSTATE)?.[0] ?? 0] ?? "unknown",
    master: u32(IFLA.MASTER),
    peer: u32(IFLA.LINK),
    alias: textOf(attributes.get(IFLA.IFALIAS) ?? Buffer.alloc(0)),
    ...(group === 0 ? {} : { group }),
    ...(kind === "vxlan" && data ? { vxlan: parseVxlan(data) } : {}),
  };
}

/** All links of the socket's namespace. */
export function listLinks(route: NetlinkSocket): Link[] {
  return route.dump(RTM.GETLINK, header(), "list the links", (body) => [parseLink(body)]);
}

/** The link of that name, or undefined. */
export function findLink(route: NetlinkSocket, name: string): Link | undefined {
  try {
    const doing = `get link ${name}`;
    const [message] = route.request(RTM.GETLINK, 0, named(name), doing);
    return message && decodeBody(message.body, doing, parseLink);
  } catch (thrown) {
    if (isErrno(thrown, "ENODEV")) return undefined;
    throw thrown;
  }
}

/** The link of that name; NetlinkError ENODEV when there is none. */
export function getLink(route: NetlinkSocket, name: string): Link {
  const link = findLink(route, name);
  if (!link) throw new NetlinkError("ENODEV", `there is no link ${name}`);
  return link;
}

/** The name of a link, for people. */
export function linkName(route: NetlinkSocket, index: number): string {
  return listLinks(route).find((link) => link.index === index)?.name ?? `if${index}`;
}

/** Runs `fn` with attributes that need an open file, and closes it. */
function withNetnsFd<T>(path: string | undefined, fn: (attributes: Buffer[]) => T): T {
  if (path === undefined) return fn([]);
  const fd = openSync(path, "r");
  try {
    return fn([u32Attribute(IFLA.NET_NS_FD, fd)]);
  } finally {
    closeSync(fd);
  }
}

function settingAttributes(settings: LinkSettings): Buffer[] {
  const { name, mtu, mac, alias, master } = settings;
  return [
    ...(name === undefined ? [] : [textAttribute(IFLA.IFNAME, name)]),
    ...(mtu === undefined ? [] : [u32Attribute(IFLA.MTU, mtu)]),
    ...(mac === undefined ? [] : [attribute(IFLA.ADDRESS, macBytes(mac))]),
    ...(alias === undefined ? [] : [attribute(IFLA.IFALIAS, Buffer.from(alias))]),
    ...(master === undefined ? [] : [u32Attribute(IFLA.MASTER, master)]),
  ];
}

/** The settings as ip-link(8) takes them. */
function settingWords(route: NetlinkSocket, settings: LinkSettings): string[] {
  const { up, mtu, mac, alias, master, netns, name, promiscuous } = settings;
  const words = {
    name,
    mtu,
    address: mac,
    alias,
    netns,
    master: master && linkName(route, master),
    promisc: promiscuous === undefined ? undefined : promiscuous ? "on" : "off",
  };
  const pairs = Object.entries(words).filter(([, value]) => value !== undefined);
  const state = up === undefined ? [] : [up ? "up" : "down"];
  return [...pairs.flatMap(([key, value]) => [key, String(value)]), ...state];
}

function flagBits({ up, promiscuous }: LinkSettings): { flags: number; change: number } {
  const set = (up ? IFF.UP : 0) | (promiscuous ? IFF.PROMISC : 0);
  const change = (up === undefined ? 0 : IFF.UP) | (promiscuous === undefined ? 0 : IFF.PROMISC);
  return { flags: set, change };
}

/** Changes a link. A link has to be down to be renamed or moved. */
export function setLink(route: NetlinkSocket, link: Pick<Link, "index">, to: LinkSettings): void {
  const { flags, change } = flagBits(to);
  step(() => ["ip", "link", "set", linkName(route, link.index), ...settingWords(route, to)]);
  withNetnsFd(to.netns, (where) => {
    const parts = [header(link.index, flags, change), ...settingAttributes(to), ...where];
    const doing = `set link ${link.index} to ${JSON.stringify(to)}`;
    route.request(RTM.NEWLINK, 0, Buffer.concat(parts), doing);
  });
}

/** The kernel takes no alias at birth; a group it does. */
type NewLink = Omit<LinkSettings, "alias"> & { name: string; group?: number };

function create(
  route: NetlinkSocket,
  kind: string,
  link: NewLink,
  data: Buffer[],
  more: readonly string[] = [],
): void {
  const { flags, change } = flagBits(link);
  step(() => {
    const words = settingWords(route, { ...link, up: undefined });
    return ["ip", "link", "add", ...words, ...(link.up ? ["up"] : []), "type", kind, ...more];
  });
  withNetnsFd(link.netns, (where) => {
    const info = [textAttribute(INFO.KIND, kind)];
    if (data.length > 0) info.push(nest(INFO.DATA, ...data));
    const group = link.group === undefined ? [] : [u32Attribute(IFLA.GROUP, link.group)];
    const parts = [header(0, flags, change), ...settingAttributes(link), ...group, ...where];
    const body = Buffer.concat([...parts, nest(IFLA.LINKINFO, ...info)]);
    route.request(RTM.NEWLINK, NLM_F.CREATE | NLM_F.EXCL, body, `create ${kind} ${link.name}`);
  });
}

/** Creates a pair of virtual Ethernet links; either end may be born in another namespace. */
export function createVeth(route: NetlinkSocket, link: NewLink, peer: NewLink): void {
  withNetnsFd(peer.netns, (where) => {
    const inner = [header(), ...settingAttributes(peer), ...where];
    const data = [nest(VETH_INFO_PEER, ...inner)];
    const far = settingWords(route, { ...peer, up: undefined });
    create(route, "veth", { ...link, up: false }, data, ["peer", ...far]);
  });
  // An end cannot be up before it has its other end (ENOTCONN), so not at birth.
  for (const end of [link, peer]) {
    if (!end.up) continue;
    if (end.netns === undefined) setLink(route, getLink(route, end.name), { up: true });
    else inNetns(end.netns, () => raise(end.name));
  }
}

function raise(name: string): void {
  using there = openRoute();
  setLink(there, getLink(there, name), { up: true });
}

/** Creates a bridge. EEXIST when the name is taken. */
export function createBridge(route: NetlinkSocket, link: NewLink): void {
  create(route, "bridge", link, []);
}

/** Creates a dummy: a link without a wire, for addresses. EEXIST when the name is taken. */
export function createDummy(route: NetlinkSocket, link: NewLink): void {
  create(route, "dummy", link, []);
}

/** Creates an intermediate functional block: a link to which traffic of others is redirected. */
export function createIfb(route: NetlinkSocket, link: NewLink): void {
  create(route, "ifb", link, []);
}

/** Creates a link that carries frames in UDP. EEXIST when name, or network and port, are taken. */
export function createVxlan(route: NetlinkSocket, link: NewLink, vxlan: Vxlan): void {
  create(route, "vxlan", link, vxlanAttributes(vxlan));
}

/** Deletes a link (of a veth pair, both ends). Returns whether there was one. */
export function deleteLink(route: NetlinkSocket, name: string): boolean {
  return succeeds(
    () => route.request(RTM.DELLINK, 0, named(name), `delete link ${name}`),
    errno("ENODEV"),
  );
}

/** The kernel has one lock for links: further deletions would only hold threads. */
const deletions = new FairTurns();

/**
 * The same in another thread: the kernel waits 10 to 30 ms for readers of a link that goes. The
 * socket has no other request meanwhile.
 */
export async function deleteLinkAside(route: NetlinkSocket, name: string): Promise<void> {
  const request = () => route.requestAside(RTM.DELLINK, named(name), `delete link ${name}`);
  await deletions.run("", () => tolerate(request(), errno("ENODEV")));
}

const named = (name: string) => Buffer.concat([header(), textAttribute(IFLA.IFNAME, name)]);

/** Settings of a bridge's port: hairpin lets a frame leave by the port it came in. */
export function setBridgePort(
  route: NetlinkSocket,
  link: Pick<Link, "index">,
  port: { hairpin?: boolean; isolated?: boolean },
): void {
  const words = Object.entries(port).flatMap(([key, value]) => [key, value ? "on" : "off"]);
  step(() => ["bridge", "link", "set", "dev", linkName(route, link.index), ...words]);
  const settings = [
    ...(port.hairpin === undefined ? [] : [u8Attribute(BRPORT.HAIRPIN, port.hairpin ? 1 : 0)]),
    ...(port.isolated === undefined ? [] : [u8Attribute(BRPORT.ISOLATED, port.isolated ? 1 : 0)]),
  ];
  const info = nest(IFLA.PROTINFO, ...settings);
  const body = Buffer.concat([header(link.index, 0, 0, AF_BRIDGE), info]);
  route.request(RTM.SETLINK, 0, body, `set bridge port ${link.index} to ${JSON.stringify(port)}`);
}
