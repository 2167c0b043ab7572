import { errno, succeeds } from "@raft2kube/std/errors.ts";
import { splitCidr } from "../netlink/address.ts";
import {
  attribute,
  nest,
  parseAttributes,
  textAttribute,
  u8Attribute,
} from "../netlink/attributes.ts";
import { NETLINK_NETFILTER, NetlinkSocket } from "../netlink/netlink.ts";
import { addressBytes } from "../socket/address-bytes.ts";
import { AF_INET } from "../syscall/numbers.ts";

// linux/netfilter/ipset/ip_set.h
const SUBSYS_IPSET = 6 << 8;
const CMD = {
  CREATE: 2,
  DESTROY: 3,
  FLUSH: 4,
  SWAP: 6,
  LIST: 7,
  ADD: 9,
  DEL: 10,
  HEADER: 12,
} as const;
const ATTR = {
  PROTOCOL: 1,
  SETNAME: 2,
  /** The second name of a swap has the number of the type's. */
  TYPENAME: 3,
  REVISION: 4,
  FAMILY: 5,
  FLAGS: 6,
  DATA: 7,
  ADT: 8,
  LINENO: 9,
} as const;
const DATA = { IP: 1, PORT: 4, PROTO: 7, MAXELEM: 19, IP2: 20, CIDR2: 21 } as const;
/** Attribute of a set's own data, whose numbers differ from those of an entry. */
const ELEMENTS = 24;
const LIST_HEADER = 1 << 2;
const IPADDR_IPV4 = 1;
const NET_BYTEORDER = 0x4000;
const PROTOCOL = 7;
const REVISION = 1;
/** Entries in one message, whose length is a 16-bit number. */
const ENTRIES_PER_MESSAGE = 250;
const PROTO = { tcp: 6, udp: 17, sctp: 132 } as const;

/** Types of sets that are hashes, as ipset(8) calls them. */
export type IpsetType = "hash:ip" | "hash:ip,port" | "hash:ip,port,ip" | "hash:ip,port,net";

/** An entry; which fields it has is the set's type. */
export interface IpsetEntry {
  ip: string;
  port?: { protocol: keyof typeof PROTO; number: number };
  /** The second address, or range in CIDR notation. */
  second?: string;
}

function message(...attributes: Buffer[]): Buffer {
  const header = Buffer.from([AF_INET, 0, 0, 0]);
  return Buffer.concat([header, u8Attribute(ATTR.PROTOCOL, PROTOCOL), ...attributes]);
}

const name = (set: string) => textAttribute(ATTR.SETNAME, set);

function ipAttribute(type: number, ip: string): Buffer {
  return nest(type, attribute(IPADDR_IPV4 | NET_BYTEORDER, addressBytes(ip)));
}

function numberAttribute(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return attribute(type | NET_BYTEORDER, bytes);
}

/** The attribute of an entry. */
export function entryAttribute({ ip, port, second }: IpsetEntry): Buffer {
  const inner = [ipAttribute(DATA.IP, ip)];
  if (port) {
    const number = Buffer.alloc(2);
    number.writeUInt16BE(port.number);
    inner.push(attribute(DATA.PORT | NET_BYTEORDER, number));
    inner.push(u8Attribute(DATA.PROTO, PROTO[port.protocol]));
  }
  if (second?.includes("/")) {
    const { address, prefix } = splitCidr(second);
    inner.push(ipAttribute(DATA.IP2, address), u8Attribute(DATA.CIDR2, prefix));
  } else if (second !== undefined) inner.push(ipAttribute(DATA.IP2, second));
  return nest(ATTR.DATA, ...inner);
}

/**
 * The sets of the network namespace that this thread is in when it is opened. Synchronous. `using`
 * closes it.
 */
export class Ipsets implements Disposable {
  readonly #socket = new NetlinkSocket(NETLINK_NETFILTER);

  /** Creates a set of at most `most` entries of IPv4; nothing happens if it is there. */
  create(set: string, type: IpsetType, most: number): void {
    const data = nest(ATTR.DATA, numberAttribute(DATA.MAXELEM, most));
    const parts = [
      name(set),
      textAttribute(ATTR.TYPENAME, type),
      u8Attribute(ATTR.REVISION, REVISION),
      u8Attribute(ATTR.FAMILY, AF_INET),
      data,
    ];
    this.#request(CMD.CREATE, `create set ${set}`, ...parts);
  }

  exists(set: string): boolean {
    return this.#unlessMissing(() => this.#request(CMD.HEADER, `get set ${set}`, name(set)));
  }

  /** Returns the number of a set's entries; undefined if there is no such set. */
  size(set: string): number | undefined {
    const body = message(name(set), numberAttribute(ATTR.FLAGS, LIST_HEADER));
    let size: number | undefined;
    this.#unlessMissing(() => {
      [size] = this.#socket.dump(SUBSYS_IPSET | CMD.LIST, body, `get set ${set}`, (found) => {
        const data = parseAttributes(found, 4).get(ATTR.DATA);
        const elements = data && parseAttributes(data).get(ELEMENTS);
        return elements ? [elements.readUInt32BE()] : [];
      });
    });
    return size;
  }

  flush(set: string): void {
    this.#request(CMD.FLUSH, `flush set ${set}`, name(set));
  }

  /** Exchanges the entries of two sets of one type in one step; rules keep the set of their name. */
  swap(set: string, other: string): void {
    const second = textAttribute(ATTR.TYPENAME, other);
    this.#request(CMD.SWAP, `swap sets ${set} and ${other}`, name(set), second);
  }

  /** Removes a set that no rule uses. Returns false if there was none. */
  destroy(set: string): boolean {
    return this.#unlessMissing(() => this.#request(CMD.DESTROY, `destroy set ${set}`, name(set)));
  }

  /** Adds entries, a message in each step; those that are there stay. */
  add(set: string, entries: readonly IpsetEntry[]): Generator<void, void> {
    return this.#change(CMD.ADD, `add to set ${set}`, set, entries);
  }

  /** Removes entries, a message in each step; those that are not there do not matter. */
  remove(set: string, entries: readonly IpsetEntry[]): Generator<void, void> {
    return this.#change(CMD.DEL, `remove from set ${set}`, set, entries);
  }

  *#change(
    command: number,
    doing: string,
    set: string,
    entries: readonly IpsetEntry[],
  ): Generator<void, void> {
    const line = attribute(ATTR.LINENO, Buffer.alloc(4));
    for (let from = 0; from < entries.length; from += ENTRIES_PER_MESSAGE) {
      const some = entries.slice(from, from + ENTRIES_PER_MESSAGE).map(entryAttribute);
      this.#request(command, doing, name(set), line, nest(ATTR.ADT, ...some));
      yield;
    }
  }

  #request(command: number, doing: string, ...attributes: Buffer[]): void {
    this.#socket.request(SUBSYS_IPSET | command, 0, message(...attributes), doing);
  }

  #unlessMissing(request: () => void): boolean {
    return succeeds(() => request(), errno("ENOENT"));
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }
}
