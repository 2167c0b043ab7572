import { errno, succeeds } from "@raft2kube/std/errors.ts";
import { addressBytes, addressText } from "../socket/address-bytes.ts";
import { AF_INET, AF_INET6 } from "../syscall/numbers.ts";
import { step } from "../syscall/steps.ts";
import { splitCidr } from "./address.ts";
import { attribute, nest, parseAttributes, u32Attribute } from "./attributes.ts";
import { linkName } from "./link.ts";
import { type NetlinkSocket, NLM_F } from "./netlink.ts";

const RTM = { NEWROUTE: 24, DELROUTE: 25, GETROUTE: 26 } as const;
const RTA = { DST: 1, OIF: 4, GATEWAY: 5, PRIORITY: 6, PREFSRC: 7, METRICS: 8, TABLE: 15 } as const;
const RTAX = { MTU: 2, ADVMSS: 8 } as const;
const RTPROT_STATIC = 4;
const RTNH_F_ONLINK = 4;
const RTN_UNICAST = 1;
const RTN_UNREACHABLE = 7;
const SCOPE_LINK = 253;
const SCOPE_NOWHERE = 255;
/** RT_TABLE_MAIN: the table of a route that names none. */
export const MAIN_TABLE = 254;

/** A route. `to` is CIDR notation, the default route `0.0.0.0/0` or `::/0`. */
export interface Route {
  to: string;
  via?: string;
  /** The outgoing link's index; 0 when the gateway decides. */
  link: number;
  /** Preferred source address. */
  source?: string;
  metric?: number;
  table?: number;
  mtu?: number;
  advmss?: number;
  /** Scope as in `ip route`: 0 global, 253 link. Derived when omitted. */
  scope?: number;
  /** Packets to there are refused; `link` is 0 then. */
  unreachable?: boolean;
  /** The gateway counts as a neighbour on the link, regardless of its subnet. */
  onlink?: boolean;
  /** The route's origin (`/etc/iproute2/rt_protos`): by default 4, static; 2 is the kernel. */
  protocol?: number;
}

/**
 * The kernel's description of a route; `wildcard` leaves open what the caller left out, for
 * deletion.
 */
function body(route: Route, wildcard = false): Buffer {
  const { address, prefix } = splitCidr(route.to);
  const to = addressBytes(address);
  const table = route.table ?? MAIN_TABLE;
  const header = Buffer.alloc(12);
  header.writeUInt8(to.length === 4 ? AF_INET : AF_INET6, 0);
  header.writeUInt8(prefix, 1);
  header.writeUInt8(table < 256 ? table : 0, 4);
  const global = route.via || route.unreachable || to.length === 16;
  const scope = wildcard ? SCOPE_NOWHERE : global ? 0 : SCOPE_LINK;
  header.writeUInt8(route.protocol ?? (wildcard ? 0 : RTPROT_STATIC), 5);
  header.writeUInt8(route.scope ?? scope, 6);
  const type = route.unreachable ? RTN_UNREACHABLE : RTN_UNICAST;
  header.writeUInt8(wildcard ? 0 : type, 7);
  header.writeUInt32LE(route.onlink && !wildcard ? RTNH_F_ONLINK : 0, 8);
  const metrics = [
    ...(route.mtu ? [u32Attribute(RTAX.MTU, route.mtu)] : []),
    ...(route.advmss ? [u32Attribute(RTAX.ADVMSS, route.advmss)] : []),
  ];
  return Buffer.concat([
    header,
    ...(prefix > 0 ? [attribute(RTA.DST, to)] : []),
    ...(route.via ? [attribute(RTA.GATEWAY, addressBytes(route.via))] : []),
    ...(route.link ? [u32Attribute(RTA.OIF, route.link)] : []),
    ...(route.source ? [attribute(RTA.PREFSRC, addressBytes(route.source))] : []),
    ...(route.metric ? [u32Attribute(RTA.PRIORITY, route.metric)] : []),
    ...(metrics.length ? [nest(RTA.METRICS, ...metrics)] : []),
    u32Attribute(RTA.TABLE, table),
  ]);
}

const text = (route: Route) =>
  `route to ${route.to}${route.via ? ` via ${route.via}` : ""} by link ${route.link}`;

function routeCommand(socket: NetlinkSocket, verb: string, { to, via, link }: Route): string[] {
  const gateway = via ? ["via", via] : [];
  return ["ip", "route", verb, to, ...gateway, "dev", linkName(socket, link)];
}

/** Adds a route; EEXIST when there is one to the same destination with the same metric. */
export function addRoute(socket: NetlinkSocket, route: Route): void {
  step(() => routeCommand(socket, "add", route));
  const flags = NLM_F.CREATE | NLM_F.EXCL;
  socket.request(RTM.NEWROUTE, flags, body(route), `add ${text(route)}`);
}

/** Adds a route in the place of the one to the same destination, if any. */
export function replaceRoute(socket: NetlinkSocket, route: Route): void {
  step(() => routeCommand(socket, "replace", route));
  const flags = NLM_F.CREATE | NLM_F.REPLACE;
  socket.request(RTM.NEWROUTE, flags, body(route), `replace ${text(route)}`);
}

/** Deletes the route that has what is given of `route`. Returns false when there was none. */
export function deleteRoute(socket: NetlinkSocket, route: Route): boolean {
  return succeeds(
    () => socket.request(RTM.DELROUTE, 0, body(route, true), `delete ${text(route)}`),
    errno("ESRCH", "ENODEV"),
  );
}

/** The unicast routes of one family in the main table. */
export function listRoutes(socket: NetlinkSocket, family: 4 | 6 = 4): Route[] {
  return listAllRoutes(socket, family).filter(({ table }) => table === undefined);
}

/** The unicast routes of one family in all tables; `table` is absent for the main one. */
export function listAllRoutes(socket: NetlinkSocket, family: 4 | 6): Route[] {
  const header = Buffer.alloc(12);
  header.writeUInt8(family === 4 ? AF_INET : AF_INET6, 0);
  return socket.dump(RTM.GETROUTE, header, "list the routes", parseAnyRoute);
}

/** A unicast route of the main table; none for any other. */
export function parseRoute(bytes: Buffer): Route[] {
  return parseAnyRoute(bytes).filter(({ table }) => table === undefined);
}

function parseAnyRoute(bytes: Buffer): Route[] {
  if (bytes.readUInt8(7) !== RTN_UNICAST) return [];
  const attributes = parseAttributes(bytes, 12);
  const address = (type: number) => {
    const value = attributes.get(type);
    return value ? addressText(value) : undefined;
  };
  const u32 = (type: number) => attributes.get(type)?.readUInt32LE() ?? 0;
  const metrics = parseAttributes(attributes.get(RTA.METRICS) ?? Buffer.alloc(0));
  const via = address(RTA.GATEWAY);
  const source = address(RTA.PREFSRC);
  const mtu = metrics.get(RTAX.MTU)?.readUInt32LE();
  // The header has 8 bits; a table above 255 is in the attribute alone.
  const table = u32(RTA.TABLE) || bytes.readUInt8(4);
  const everywhere = bytes.readUInt8(0) === AF_INET ? "0.0.0.0" : "::";
  const route = {
    to: `${address(RTA.DST) ?? everywhere}/${bytes.readUInt8(1)}`,
    ...(via ? { via } : {}),
    link: u32(RTA.OIF),
    ...(source ? { source } : {}),
    ...(u32(RTA.PRIORITY) ? { metric: u32(RTA.PRIORITY) } : {}),
    ...(mtu ? { mtu } : {}),
    ...(table === MAIN_TABLE ? {} : { table }),
    scope: bytes.readUInt8(6),
    ...(bytes.readUInt8(5) === RTPROT_STATIC ? {} : { protocol: bytes.readUInt8(5) }),
    ...(bytes.readUInt32LE(8) & RTNH_F_ONLINK ? { onlink: true } : {}),
  };
  return [route];
}
