import { applyRuleset, listRuleset, nftTableExists } from "@raft2kube/linux/netfilter/nft.ts";
import { isErrno } from "@raft2kube/std/errors.ts";

/** An element of a set or map in nft's syntax, with the comment that identifies its owner. */
export interface NftElement {
  /** The set or map. */
  set: string;
  /** The key: `10.1.0.5` or `10.1.0.5 . tcp . 80`. */
  key: string;
  /** The value in a map; empty in a set. */
  value: string;
  comment: string;
}

/** Returns the statement that adds an element. */
export function addElement(table: string, element: NftElement): string {
  const { set, key, value, comment } = element;
  const mapped = value === "" ? "" : ` : ${value}`;
  return `add element inet ${table} ${set} { ${key} comment "${comment}"${mapped} }`;
}

/** Returns the statement that deletes an element. */
export function deleteElement(table: string, element: Pick<NftElement, "set" | "key">): string {
  return `delete element inet ${table} ${element.set} { ${element.key} }`;
}

/** Returns the elements with a comment of a plugin's table; none if it does not exist. */
export async function listElements(table: string): Promise<NftElement[]> {
  if (!nftTableExists("inet", table)) return [];
  let objects;
  try {
    objects = await listRuleset(["table", "inet", table]);
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return []; // deleted concurrently
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

/**
 * Deletes the elements whose comment `stale` accepts, in one transaction; returns them. `before` is
 * called first, with them and with those that stay: what it takes away is found again by a repeated
 * call if this one is killed.
 */
export async function deleteElements(
  table: string,
  stale: (comment: string) => boolean,
  before?: (gone: readonly NftElement[], kept: readonly NftElement[]) => void,
): Promise<NftElement[]> {
  const all = await listElements(table);
  const gone = all.filter(({ comment }) => stale(comment));
  if (gone.length === 0) return [];
  before?.(
    gone,
    all.filter((element) => !gone.includes(element)),
  );
  await applyRuleset(gone.map((element) => `${deleteElement(table, element)}\n`).join(""));
  return gone;
}

/**
 * Parses `{elem: {val, comment}}` of a set or `[{elem: {val, comment}}, value]` of a map. `types`
 * are the types of the key's parts: nft prints interface names without quotes, but requires them.
 */
function parseElement(set: string, types: unknown[], element: unknown): NftElement[] {
  const [key, value] = Array.isArray(element) ? element : [element, undefined];
  const elem = (key as { elem?: { val?: unknown; comment?: unknown } })?.elem;
  if (elem === undefined || typeof elem.comment !== "string") return [];
  const concat = (elem.val as { concat?: unknown })?.concat;
  const whole = Array.isArray(concat) ? concat : [elem.val]; // a string has a concat, too
  const parts = whole.map((part, at) =>
    types[at] === "ifname" ? JSON.stringify(part) : textOf(part),
  );
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
