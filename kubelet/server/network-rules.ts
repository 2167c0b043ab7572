import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { HttpError } from "@raft2kube/client-kube/delegated/http-error.ts";
import { runProgram } from "@raft2kube/linux/process/run-program.ts";
import { errno, tolerate } from "@raft2kube/std/errors.ts";
import { RULE_ADDRESSES_MAX, RULE_LINES_MAX, RULES_MS_MAX } from "../limits.ts";

const IPVS = "/proc/self/net/ip_vs";

/**
 * Returns the kernel's rules of this node that name one of the addresses, with the chains that they
 * lead to, in nft's text, and IPVS's virtual servers where there are some. Throws HttpError 400 for
 * what is no address.
 */
export async function networkRules(query: URLSearchParams): Promise<string> {
  const addresses = query.getAll("address");
  if (addresses.length === 0 || addresses.length > RULE_ADDRESSES_MAX) {
    throw new HttpError(400, `give 1 to ${RULE_ADDRESSES_MAX} address=IP`);
  }
  const wrong = addresses.find((each) => isIP(each) === 0);
  if (wrong !== undefined) throw new HttpError(400, `${wrong} is no IP address`);
  const ruleset = await runProgram("nft", ["list", "ruleset"], "", { timeout_ms: RULES_MS_MAX });
  const servers = await tolerate(readFile(IPVS, "utf8"), errno("ENOENT"));
  return [...rulesOf(ruleset, addresses), ...serversOf(servers ?? "", addresses)]
    .slice(0, RULE_LINES_MAX)
    .join("\n");
}

/** The lines of a ruleset that name an address, and the chains that these lead to, whole. */
export function rulesOf(ruleset: string, addresses: readonly string[]): string[] {
  const blocks = blocksOf(ruleset);
  const words = addresses.map((each) => {
    const more = isIP(each) === 4 ? "[\\d.]" : "[\\da-f:]";
    return `(?<!${more})${each.replaceAll(".", "\\.")}(?!${more})`;
  });
  const names = new RegExp(words.join("|"));
  const found = new Map<Block, readonly string[]>();
  const show = (block: Block, lines: readonly string[]) => {
    if (lines.length <= (found.get(block)?.length ?? 0)) return;
    found.set(block, lines);
    for (const [, target] of lines.join("\n").matchAll(/\b(?:goto|jump)\s+([\w./-]+)/g)) {
      const head = `${block.table}: chain ${target}`;
      const chain = blocks.find((each) => each.head === head);
      if (chain) show(chain, chain.lines);
    }
  };
  for (const block of blocks) {
    const own = block.lines.filter((line) => names.test(line));
    show(block, own);
  }
  return blocks.flatMap((block) => {
    const lines = found.get(block);
    return lines ? [block.head, ...lines.map((line) => `  ${line}`)] : [];
  });
}

/** A chain, set or map of nft's text; `head` starts with its table. */
type Block = { readonly table: string; readonly head: string; readonly lines: readonly string[] };

const blocksOf = (ruleset: string): Block[] =>
  ruleset.split(/^(?=table )/m).flatMap((text) => {
    const [table = ""] = /^table .*(?= \{)/.exec(text) ?? [];
    const blocks = text.matchAll(/^\t(\S.*) \{\n([^]*?)^\t\}/gm);
    return Array.from(blocks, ([, name = "", inside = ""]) => {
      const lines = name.startsWith("chain ") ? inside.trim().split("\n") : elementsOf(inside);
      return { table, head: `${table}: ${name}`, lines: lines.map((line) => line.trim()) };
    });
  });

/** nft writes several elements of a set or map in one line. */
const elementsOf = (inside: string): string[] =>
  inside.split(/,\s+|\n/).map((each) => each.trim().replace(/^elements = \{ | \}$/g, ""));

/** Sockets of `/proc/net/ip_vs`: hexadecimal digits, an IPv6 address with all of its groups. */
const SOCKETS = /(?:\[([\da-f:]+)\]|\b([\dA-F]{8})):([\dA-F]{4})\b/g;

/** The virtual servers of addresses in the text of `/proc/net/ip_vs`, with their destinations. */
export function serversOf(text: string, addresses: readonly string[]): string[] {
  const readable = (_: string, six: string | undefined, four = "", port: string) =>
    `${six ? `[${shortest(six)}]` : Buffer.from(four, "hex").join(".")}:${parseInt(port, 16)}`;
  const heads = addresses.map((each) => (isIP(each) === 6 ? ` [${shortest(each)}]:` : ` ${each}:`));
  const servers = text
    .replace(SOCKETS, readable)
    .trimEnd()
    .split(/\n(?=\w)/);
  const blocks = servers.map((server) => server.split("\n"));
  const wanted = blocks.filter(([server]) => heads.some((head) => server!.includes(head)));
  return wanted.length > 0 ? ["IPVS", ...wanted.flat()] : [];
}

/** An IPv6 address in the one form of RFC 5952. */
const shortest = (address: string): string => new URL(`http://[${address}]`).hostname.slice(1, -1);
