import {
  countAttributes,
  parseAttributes,
  textAttribute,
  textOf,
} from "../../netlink/attributes.ts";
import { NETLINK_NETFILTER, NetlinkSocket } from "../../netlink/netlink.ts";

// linux/netfilter/nf_tables.h
const SUBSYS_NFTABLES = 10 << 8;
const GET = { CHAIN: 4, RULE: 7, ELEMENTS: 13 } as const;
const NFPROTO_IPV4 = 2;
const FAMILY = Buffer.from([NFPROTO_IPV4, 0, 0, 0]);
/** Attribute of the table's name, in all of these messages. */
const TABLE = 1;
const CHAIN_NAME = 3;
const RULE_CHAIN = 2;
const LIST = { SET: 2, ELEMENTS: 3 } as const;

/** How many rules a chain has, and how many elements a set or map: what deletions change. */
export type Shape = { rules: Map<string, number>; elements: Map<string, number> };

/** Returns the shape of the chains in a ruleset's text that is indented as nft lists it. */
export function shapeOfText(text: string): Shape {
  const rules = new Map<string, number>();
  const chains = /^ *chain (\S+) \{(?:(.*;) \}$|\n([\s\S]*?)^ {2}\}$)/gm;
  for (const [, name = "", line = "", lines = ""] of text.matchAll(chains)) {
    const statements = `${line}${lines}`.split(/[;\n]/).map((statement) => statement.trim());
    const isRule = (statement: string) => statement !== "" && !statement.startsWith("type ");
    rules.set(name, statements.filter(isRule).length);
  }
  return { rules, elements: new Map() };
}

/**
 * Returns the shape of a table of family ip in the kernel, of the namespace this thread is in, with
 * the elements of `sets` alone: those of session affinity may have a million. A step for each part
 * of the kernel's lists. NetlinkError `ENOENT` if there is no such set.
 */
export function* shapeInKernel(table: string, sets: Iterable<string>): Generator<void, Shape> {
  using netfilter = new NetlinkSocket(NETLINK_NETFILTER);
  const inTable = Buffer.concat([FAMILY, textAttribute(TABLE, table)]);
  const list = <T>(kind: number, body: Buffer, decode: (found: Found) => T) =>
    listed(netfilter, kind, { body, doing: `list nft table ip ${table}`, decode });
  const rules = new Map<string, number>();
  for (const name of yield* chainsInKernel(table, netfilter)) rules.set(name, 0);
  for (const name of yield* list(GET.RULE, inTable, (found) => text(found, RULE_CHAIN))) {
    rules.set(name, (rules.get(name) ?? 0) + 1);
  }
  const elements = new Map<string, number>();
  for (const name of sets) {
    const body = Buffer.concat([inTable, textAttribute(LIST.SET, name)]);
    const counts = yield* list(GET.ELEMENTS, body, (found) => {
      return countAttributes(found.get(LIST.ELEMENTS) ?? Buffer.alloc(0));
    });
    elements.set(
      name,
      counts.reduce((sum, count) => sum + count, 0),
    );
  }
  return { rules, elements };
}

/** Returns the chains of a table of family ip, of the namespace of a netfilter socket. In steps. */
export function* chainsInKernel(
  table: string,
  netfilter: NetlinkSocket,
): Generator<void, string[]> {
  const doing = `list the chains of nft table ip ${table}`;
  const decode = (found: Found) =>
    text(found, TABLE) === table ? text(found, CHAIN_NAME) : undefined;
  const names = yield* listed(netfilter, GET.CHAIN, { body: FAMILY, doing, decode });
  return names.filter((name) => name !== undefined);
}

/** Returns what the kernel lists, decoded; a step for each part. */
function* listed<T>(
  netfilter: NetlinkSocket,
  kind: number,
  { body, doing, decode }: { body: Buffer; doing: string; decode: (found: Found) => T },
): Generator<void, T[]> {
  let found: T[] = [];
  const decoded = (one: Buffer) => [decode(parseAttributes(one, FAMILY.length))];
  for (const part of netfilter.dumpInParts(SUBSYS_NFTABLES | kind, body, doing, decoded)) {
    if (part === "again") found = [];
    else for (const one of part) found.push(one);
    yield;
  }
  return found;
}

type Found = ReadonlyMap<number, Buffer>;

const text = (found: Found, type: number) => textOf(found.get(type) ?? Buffer.alloc(0));

/**
 * Whether `found` has what the two parts of the table should have. Sets that the kernel fills
 * itself, of session affinity, are expected nowhere.
 */
export function isIntact(found: Shape, base: Shape, owned: Shape): boolean {
  const chains = [...base.rules, ...owned.rules];
  return (
    chains.every(([name, count]) => found.rules.get(name) === count) &&
    [...owned.elements].every(([name, count]) => found.elements.get(name) === count)
  );
}
