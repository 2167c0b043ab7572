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
  const family = Buffer.from([NFPROTO_IPV4, 0, 0, 0]);
  const inTable = Buffer.concat([family, textAttribute(TABLE, table)]);
  const list = function* <T>(kind: number, body: Buffer, decode: (found: Found) => T) {
    const doing = `list nft table ip ${table}`;
    let listed: T[] = [];
    const decoded = (found: Buffer) => [decode(parseAttributes(found, family.length))];
    for (const part of netfilter.dumpInParts(SUBSYS_NFTABLES | kind, body, doing, decoded)) {
      if (part === "again") listed = [];
      else for (const one of part) listed.push(one);
      yield;
    }
    return listed;
  };
  const rules = new Map<string, number>();
  const chains = yield* list(GET.CHAIN, family, (found) => {
    return text(found, TABLE) === table ? text(found, CHAIN_NAME) : undefined;
  });
  for (const name of chains) if (name !== undefined) rules.set(name, 0);
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
