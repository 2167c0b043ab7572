import { errno, isErrno, succeeds } from "@raft2kube/std/errors.ts";
import {
  attribute,
  nest,
  parseAttributes,
  textAttribute,
  textOf,
  u16Attribute,
  u32Attribute,
} from "../netlink/attributes.ts";
import { genericAttributes, genericMessage, openGeneric } from "../netlink/generic-netlink.ts";
import { decodeBody, type NetlinkMessage } from "../netlink/messages.ts";
import type { NetlinkSocket } from "../netlink/netlink.ts";
import { addressBytes, addressText } from "../socket/address-bytes.ts";
import { AF_INET } from "../syscall/numbers.ts";

// linux/ip_vs.h
const VERSION = 1;
const CMD = {
  NEW_SERVICE: 1,
  SET_SERVICE: 2,
  DEL_SERVICE: 3,
  GET_SERVICE: 4,
  NEW_DEST: 5,
  SET_DEST: 6,
  DEL_DEST: 7,
  GET_DEST: 8,
} as const;
const CMD_ATTR = { SERVICE: 1, DEST: 2 } as const;
const SVC = {
  AF: 1,
  PROTOCOL: 2,
  ADDR: 3,
  PORT: 4,
  SCHED_NAME: 6,
  FLAGS: 7,
  TIMEOUT: 8,
  NETMASK: 9,
} as const;
const DEST = {
  ADDR: 1,
  PORT: 2,
  FWD_METHOD: 3,
  WEIGHT: 4,
  U_THRESH: 5,
  L_THRESH: 6,
  ACTIVE_CONNS: 7,
  INACT_CONNS: 8,
  ADDR_FAMILY: 11,
} as const;
const ADDRESS_BYTES = 16;
const FLAG_PERSISTENT = 1;
/** IP_VS_SVC_F_SCHED3, the `flag-3` of ipvsadm. */
const FLAG_MARK = 0x20;
const FLAGS_MASK = 0xffff_ffff;
const FORWARD_MASQUERADE = 0;
const ONE_CLIENT = 0xffff_ffff;

export const IPVS_PROTOCOLS = { tcp: 6, udp: 17, sctp: 132 } as const;
export type IpvsProtocol = keyof typeof IPVS_PROTOCOLS;

/** Identity of a virtual server. */
export type VirtualServerKey = { address: string; protocol: IpvsProtocol; port: number };

export interface VirtualServer extends VirtualServerKey {
  scheduler: string;
  /** How long a client stays with its destination, in seconds; undefined: it does not. */
  persistence_s: number | undefined;
  /**
   * Sets the third flag of schedulers, which none of the kernel's uses: a program can recognise its
   * own virtual servers by it.
   */
  marked?: boolean;
}

/** A destination of a virtual server, by masquerading (NAT). */
export interface Destination {
  address: string;
  port: number;
  /** 0: gets no new connections. */
  weight: number;
}

/** A destination as the kernel has it. */
export interface DestinationState extends Destination {
  activeConnections: number;
  inactiveConnections: number;
}

function address16(address: string): Buffer {
  const bytes = Buffer.alloc(ADDRESS_BYTES);
  addressBytes(address).copy(bytes);
  return bytes;
}

function port16(port: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(port);
  return bytes;
}

const keyAttributes = ({ address, protocol, port }: VirtualServerKey): Buffer[] => [
  u16Attribute(SVC.AF, AF_INET),
  u16Attribute(SVC.PROTOCOL, IPVS_PROTOCOLS[protocol]),
  attribute(SVC.ADDR, address16(address)),
  attribute(SVC.PORT, port16(port)),
];

/** The attribute of a virtual server, or of its key alone. */
export function serverAttribute(server: VirtualServerKey | VirtualServer): Buffer {
  if (!("scheduler" in server)) return nest(CMD_ATTR.SERVICE, ...keyAttributes(server));
  const { scheduler, persistence_s, marked } = server;
  const flags = Buffer.alloc(8);
  const persistent = persistence_s === undefined ? 0 : FLAG_PERSISTENT;
  flags.writeUInt32LE(persistent | (marked ? FLAG_MARK : 0), 0);
  flags.writeUInt32LE(FLAGS_MASK, 4);
  return nest(
    CMD_ATTR.SERVICE,
    ...keyAttributes(server),
    textAttribute(SVC.SCHED_NAME, scheduler),
    attribute(SVC.FLAGS, flags),
    u32Attribute(SVC.TIMEOUT, persistence_s ?? 0),
    u32Attribute(SVC.NETMASK, ONE_CLIENT),
  );
}

/** The attribute of a destination. */
export function destinationAttribute({ address, port, weight }: Destination): Buffer {
  return nest(
    CMD_ATTR.DEST,
    attribute(DEST.ADDR, address16(address)),
    attribute(DEST.PORT, port16(port)),
    u32Attribute(DEST.FWD_METHOD, FORWARD_MASQUERADE),
    u32Attribute(DEST.WEIGHT, weight),
    u32Attribute(DEST.U_THRESH, 0),
    u32Attribute(DEST.L_THRESH, 0),
    u16Attribute(DEST.ADDR_FAMILY, AF_INET),
  );
}

/** A virtual server, of a message; none if it is of IPv6 or of a firewall mark. */
export function parseServer(body: Buffer): VirtualServer[] {
  const inner = parseAttributes(genericAttributes(body).get(CMD_ATTR.SERVICE) ?? Buffer.alloc(0));
  const number = inner.get(SVC.PROTOCOL)?.readUInt16LE();
  const protocol = Object.entries(IPVS_PROTOCOLS).find(([, value]) => value === number)?.[0];
  const address = inner.get(SVC.ADDR);
  if (inner.get(SVC.AF)?.readUInt16LE() !== AF_INET || !address || !protocol) return [];
  const flags = inner.get(SVC.FLAGS)?.readUInt32LE() ?? 0;
  const persistent = (flags & FLAG_PERSISTENT) !== 0;
  return [
    {
      address: addressText(address.subarray(0, 4)),
      protocol: protocol as IpvsProtocol,
      port: inner.get(SVC.PORT)?.readUInt16BE() ?? 0,
      scheduler: textOf(inner.get(SVC.SCHED_NAME) ?? Buffer.alloc(0)),
      persistence_s: persistent ? inner.get(SVC.TIMEOUT)?.readUInt32LE() : undefined,
      ...((flags & FLAG_MARK) === 0 ? {} : { marked: true }),
    },
  ];
}

/** A destination, of a message. */
export function parseDestination(body: Buffer): DestinationState[] {
  const inner = parseAttributes(genericAttributes(body).get(CMD_ATTR.DEST) ?? Buffer.alloc(0));
  const address = inner.get(DEST.ADDR);
  if (!address) return [];
  const u32 = (type: number) => inner.get(type)?.readUInt32LE() ?? 0;
  return [
    {
      address: addressText(address.subarray(0, 4)),
      port: inner.get(DEST.PORT)?.readUInt16BE() ?? 0,
      weight: u32(DEST.WEIGHT),
      activeConnections: u32(DEST.ACTIVE_CONNS),
      inactiveConnections: u32(DEST.INACT_CONNS),
    },
  ];
}

const text = ({ address, protocol, port }: VirtualServerKey) => `${protocol} ${address}:${port}`;

/**
 * IPVS of the network namespace that this thread is in when it is opened. Synchronous. `using`
 * closes it. NetlinkError ENOENT if the kernel has no IPVS.
 */
export class Ipvs implements Disposable {
  readonly #socket: NetlinkSocket;
  readonly #family: number;

  constructor() {
    const { socket, family } = openGeneric("IPVS");
    this.#socket = socket;
    this.#family = family;
  }

  servers(): VirtualServer[] {
    const body = genericMessage(CMD.GET_SERVICE, VERSION);
    return this.#socket.dump(this.#family, body, "list the virtual servers", parseServer);
  }

  /** Returns the virtual server with that key, if there is one. */
  find(server: VirtualServerKey): VirtualServer | undefined {
    const doing = `get virtual server ${text(server)}`;
    try {
      const [answer] = this.#request(CMD.GET_SERVICE, doing, serverAttribute(key(server)));
      return answer && decodeBody(answer.body, doing, parseServer)[0];
    } catch (thrown) {
      if (isErrno(thrown, "ESRCH")) return undefined;
      throw thrown;
    }
  }

  destinations(server: VirtualServerKey): DestinationState[] {
    const body = genericMessage(CMD.GET_DEST, VERSION, serverAttribute(key(server)));
    const doing = `list the destinations of ${text(server)}`;
    return this.#socket.dump(this.#family, body, doing, parseDestination);
  }

  /** Adds a virtual server, or changes scheduler, persistence and mark of the one that is there. */
  setServer(server: VirtualServer): void {
    const attributes = serverAttribute(server);
    try {
      this.#request(CMD.NEW_SERVICE, `add virtual server ${text(server)}`, attributes);
    } catch (thrown) {
      if (!isErrno(thrown, "EEXIST")) throw thrown;
      this.#request(CMD.SET_SERVICE, `change virtual server ${text(server)}`, attributes);
    }
  }

  /** Removes a virtual server. Returns false if there was none. */
  deleteServer(server: VirtualServerKey): boolean {
    const doing = `delete virtual server ${text(server)}`;
    return this.#unlessGone(() =>
      this.#request(CMD.DEL_SERVICE, doing, serverAttribute(key(server))),
    );
  }

  /** Adds a destination, or changes the weight of the one that is there. */
  setDestination(server: VirtualServerKey, destination: Destination): void {
    const attributes = [serverAttribute(key(server)), destinationAttribute(destination)];
    const what = `destination ${destination.address}:${destination.port} of ${text(server)}`;
    try {
      this.#request(CMD.NEW_DEST, `add ${what}`, ...attributes);
    } catch (thrown) {
      if (!isErrno(thrown, "EEXIST")) throw thrown;
      this.#request(CMD.SET_DEST, `change ${what}`, ...attributes);
    }
  }

  /** Removes a destination. Returns false if there was none. */
  deleteDestination(server: VirtualServerKey, destination: Destination): boolean {
    const attributes = [serverAttribute(key(server)), destinationAttribute(destination)];
    const what = `destination ${destination.address}:${destination.port} of ${text(server)}`;
    return this.#unlessGone(() => this.#request(CMD.DEL_DEST, `delete ${what}`, ...attributes));
  }

  #request(command: number, doing: string, ...attributes: Buffer[]): NetlinkMessage[] {
    const body = genericMessage(command, VERSION, ...attributes);
    return this.#socket.request(this.#family, 0, body, doing);
  }

  #unlessGone(remove: () => void): boolean {
    return succeeds(() => remove(), errno("ESRCH", "ENOENT"));
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }
}

const key = ({ address, protocol, port }: VirtualServerKey): VirtualServerKey => ({
  address,
  protocol,
  port,
});
