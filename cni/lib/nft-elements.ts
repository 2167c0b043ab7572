import { isErrno } from "@raft2kube/std/errors.ts";
import { applyRuleset, listRuleset, nftTableExists } from "@raft2kube/linux/nft.ts";

/** One element of a set or map, as nft's text has it, with the comment that says whose it is. */
export interface NftElement {
  /** The set or map. */
  set: string;
  /** The key alone: `10.1.0.5` or `10.1.0.5 . tcp . 80`. */
  key: string;
  /** The map's value; empty for a set. */
  value: string;
  comment: string;
}

/** The statement that adds an element. */
export function addElement(table: string, element: NftElement): string {
  const { set, key, value, comment } = element;
  const mapped = value === "" ? "" : ` : ${value}`;
  return `add element inet ${table} ${set} { ${key} comment "${comment}"${mapped} }`;
}

/** The statement that deletes one. */
export function deleteElement(table: string, element: Pick<NftElement, "set" | "key">): string {
  return `delete element inet ${table} ${element.set} { ${element.key} }`;
}

/** The elements of a plugin's table that have a comment; none when the table is not there. */
export async function listElements(table: string): Promise<NftElement[]> {
  if (!nftTableExists("inet", table)) return [];
  let objects;
  try {
    objects = await listRuleset(["table", "inet", table]);
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return []; // it went in between
    throw thrown;
  }
  return objects.flatMap((object) => {
    const set = object.map ?? object.set;
    const elements = set?.elem;
    if (!set || !Array.isArray(elements)) return [];
    const types = [set.type].flat();
    return elements.flatMap((element) => parseElement(String(set.name), types, element));
  });
}

/** Deletes the elements that `stale` picks by their comment, in one transaction; returns them. */
export async function deleteElements(
  table: string,
  stale: (comment: string) => boolean,
): Promise<NftElement[]> {
  const gone = (await listElements(table)).filter((element) => stale(element.comment));
  if (gone.length === 0) return [];
  await applyRuleset(gone.map((element) => `${deleteElement(table, element)}\n`).join(""));
  return gone;
}

/**
 * `{elem: {val, comment}}` of a set, `[{elem: {val, comment}}, value]` of a map. `types` are those
 * of the key's parts: nft lists names of interfaces bare, but reads any name only when quoted.
 */
function parseElement(set: string, types: unknown[], element: unknown): NftElement[] {
  const [key, value] = Array.isArray(element) ? element : [element, undefined];
  const elem = (key as { elem?: { val?: unknown; comment?: unknown } })?.elem;
  if (elem === undefined || typeof elem.comment !== "string") return [];
  const concat = (elem.val as { concat?: unknown })?.concat;
  const whole = Array.isArray(concat) ? concat : [elem.val]; // a string has a concat, too
  const parts = whole.map((part, at) =>
    types[at] === "ifname" ? JSON.stringify(part) : textOf(part));
  return [{ set, key: parts.join(" . "), value: textOf(value), comment: elem.comment }];
}

function textOf(value: unknown): string {
  if (value === undefined) return "";
  if (typeof value !== "object" || value === null) return String(value);
  const { concat, prefix, goto } = value as {
    concat?: unknown[];
    prefix?: { addr: string; len: number };
    goto?: { target: string };
  };
  if (concat) return concat.map(textOf).join(" . ");
  if (prefix) return `${prefix.addr}/${prefix.len}`;
  if (goto) return `goto ${goto.target}`;
  return JSON.stringify(value);
}
