import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import { HttpError } from "@raft2kube/client-kube/delegated/http-error.ts";
import { runProgram } from "@raft2kube/linux/process/run-program.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
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
  const servers = await readFile(IPVS, "utf8").catch((thrown: unknown) => {
    if (isErrno(thrown, "ENOENT")) return "";
    throw thrown;
  });
  return [...rulesOf(ruleset, addresses), ...serversOf(servers, addresses)]
    .slice(0, RULE_LINES_MAX)
    .join("\n");
}

/** A chain, set or map of nft's text; `head` names its table too. */
type Block = { readonly table: string; readonly head: string; readonly lines: string[] };

/** The lines of a ruleset that name an address, and the chains that these lead to, whole. */
export function rulesOf(ruleset: string, addresses: readonly string[]): string[] {
  const blocks = blocksOf(ruleset);
  const names = new RegExp(
    addresses
      .map((each) =>
        isIP(each) === 4
          ? `(?<![\\d.])${each.replaceAll(".", "\\.")}(?![\\d.])`
          : `(?<![\\da-f:])${each}(?![\\da-f:])`,
      )
      .join("|"),
  );
  const found = new Map<Block, readonly string[]>();
  const follow = (lines: readonly string[], table: string) => {
    for (const [, target] of lines.join("\n").matchAll(/\b(?:goto|jump)\s+([\w./-]+)/g)) {
      const chain = blocks.find((each) => each.table === table && each.head === `chain ${target}`);
      if (!chain || found.get(chain) === chain.lines) continue;
      found.set(chain, chain.lines);
      follow(chain.lines, table);
    }
  };
  for (const block of blocks) {
    const lines = block.lines.filter((line) => names.test(line));
    if (lines.length === 0 || found.has(block)) continue;
    found.set(block, lines);
    follow(lines, block.table);
  }
  return blocks.flatMap((block) => {
    const lines = found.get(block);
    return lines ? [`${block.table}: ${block.head}`, ...lines.map((line) => `  ${line}`)] : [];
  });
}

function blocksOf(ruleset: string): Block[] {
  const blocks: Block[] = [];
  let table = "";
  for (const line of ruleset.split("\n")) {
    const text = line.trim();
    if (/^table /.test(line)) table = text.replace(/ \{$/, "");
    else if (/^\t\S.*\{$/.test(line)) {
      blocks.push({ table, head: text.replace(/ \{$/, ""), lines: [] });
    } else if (/^\t\t/.test(line)) {
      const block = blocks.at(-1);
      block?.lines.push(...(block.head.startsWith("chain ") ? [text] : elementsOf(text)));
    }
  }
  return blocks;
}

/** nft writes several elements of a set or map in one line. */
function elementsOf(text: string): string[] {
  return text
    .replace(/^elements = \{ /, "")
    .replace(/ \}$/, "")
    .split(/,\s+(?=\S)/)
    .map((each) => each.replace(/,$/, ""));
}

/** A socket of `/proc/net/ip_vs`: hexadecimal digits, an IPv6 address with all of its groups. */
const SOCKET = /(?:\[([\da-f:]+)\]|\b([\dA-F]{8})):([\dA-F]{4})\b/;

/** The virtual servers of addresses in the text of `/proc/net/ip_vs`, with their destinations. */
export function serversOf(text: string, addresses: readonly string[]): string[] {
  const lines = text
    .split("\n")
    .slice(3)
    .map((line) =>
      line.replace(
        SOCKET,
        (_, six: string | undefined, four = "", port: string) =>
          `${six ? `[${shortest(six)}]` : Buffer.from(four, "hex").join(".")}:${parseInt(port, 16)}`,
      ),
    );
  const heads = addresses.map((each) => (isIP(each) === 6 ? ` [${shortest(each)}]:` : ` ${each}:`));
  let isWanted = false;
  const wanted = lines.filter((line) => {
    if (/^\w/.test(line)) isWanted = heads.some((each) => line.includes(each));
    return isWanted && line.trim() !== "";
  });
  return wanted.length > 0 ? ["IPVS", ...wanted] : [];
}

/** An IPv6 address in the one form of RFC 5952. */
const shortest = (address: string): string => new URL(`http://[${address}]`).hostname.slice(1, -1);
