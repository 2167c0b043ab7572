import { CodedError, errno, isErrno, messageOf, tolerate } from "@raft2kube/std/errors.ts";
import { attribute, parseAttributes, textAttribute, textOf } from "../netlink/attributes.ts";
import { NETLINK_NETFILTER, NetlinkSocket } from "../netlink/netlink.ts";
import { runProgram } from "../process/run-program.ts";
import { step } from "../syscall/steps.ts";

/**
 * nft refused a transaction: nothing of it was applied, and `message` has nft's output. Or it is
 * missing (`nft-missing`), was not started for another reason, or was killed, after a minute, and
 * ten seconds more for each megabyte of text, at the latest (`nft-failed`). The library in this
 * process has as long.
 */
export class NftError extends CodedError {}

/** Returns the error of a transaction that was refused: ENOENT if something in it is not there. */
export function nftRefusal(said: string, cause?: unknown): NftError {
  const missing = /No such file or directory/.test(said);
  return new NftError(missing ? "ENOENT" : "nft-refused", said, { cause });
}

/** When nft is killed: a large table is slow, and each further attempt would be as slow. */
const NFT_MS_MAX = 60_000;
const NFT_MS_PER_KB = 10;

/** How long a transaction of this text may take. */
export const nftTime_ms = (text: string): number =>
  NFT_MS_MAX + Math.ceil(text.length / 1_000) * NFT_MS_PER_KB;

/** Where a ruleset is applied: the namespace at `netns`, or the one this thread is in. */
export type NftOptions = { netns?: string };

async function run(args: string[], input: string, { netns }: NftOptions): Promise<string> {
  try {
    return await runProgram("nft", args, input, { netns, timeout_ms: nftTime_ms(input) });
  } catch (thrown) {
    const cause = thrown;
    if (isErrno(thrown, "ENOENT")) {
      throw new NftError("nft-missing", messageOf(thrown), { remedy: "install nftables", cause });
    }
    if (!isErrno(thrown, "EXIT")) throw new NftError("nft-failed", messageOf(thrown), { cause });
    throw nftRefusal(messageOf(thrown), cause);
  }
}

/** Applies a ruleset as `applyRuleset` does, here; false where it cannot. */
type ApplyHere = (text: string) => Promise<boolean>;
let applyHere: ApplyHere = async () => false;

/** Sets how rulesets of this process's own namespace are applied from now on. */
export function setApplyHere(apply: ApplyHere): void {
  applyHere = apply;
}

/** Applies a ruleset (nft's own text) as one transaction: all of it, or NftError and none. */
export async function applyRuleset(text: string, options: NftOptions = {}): Promise<void> {
  step(() => `nft -f - <<END\n${text.trimEnd()}\nEND`);
  if (options.netns === undefined && (await applyHere(text))) return;
  await run(["-f", "-"], text, options);
}

/**
 * One object of nft's JSON output: `{rule: {...}}`, `{chain: {...}}`, ... (libnftables-json(5)).
 */
export type NftObject = Record<string, Record<string, unknown>>;

/** `nft -j list ...` with `args`. NftError ENOENT when there is no such table or chain. */
export async function listRuleset(args: string[], options: NftOptions = {}): Promise<NftObject[]> {
  const output = await run(["-j", "list", ...args], "", options);
  const parsed = JSON.parse(output) as { nftables?: NftObject[] };
  return parsed.nftables ?? [];
}

/**
 * Deletes a table with all in it; nothing happens when there is none, also where the kernel could
 * have none of its family.
 */
export async function deleteTable(family: string, name: string, options: NftOptions = {}) {
  const deleted = applyRuleset(`delete table ${family} ${name}\n`, options);
  await tolerate(deleted, errno("ENOENT"));
}

/** The kernel's number alone: Node has no name for it. */
const ERESTART = "E85";
/** How often a table is looked at that others change meanwhile. */
const LOOKS_MAX = 16;

/**
 * Deletes a table of the namespace this thread is in, if there is one and `isUsed` finds no use
 * among its objects. The deletion is refused if the ruleset has changed since it was looked at.
 */
export async function deleteUnused(
  family: keyof typeof NFPROTO,
  name: string,
  isUsed: (objects: readonly NftObject[]) => boolean,
): Promise<void> {
  using netfilter = new NetlinkSocket(NETLINK_NETFILTER);
  for (let looks = 0; looks < LOOKS_MAX && nftTableExists(family, name); looks++) {
    const generation = Buffer.alloc(4);
    generation.writeUInt32BE(generationOf(netfilter));
    try {
      if (isUsed(await listRuleset(["table", family, name]))) return;
      const begin = [Buffer.from([0, 0, 0, NFNL_SUBSYS_NFTABLES]), attribute(GENID, generation)];
      const table = [Buffer.from([NFPROTO[family], 0, 0, 0]), textAttribute(NFTA_TABLE_NAME, name)];
      const type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_DELTABLE;
      const doing = `delete nft table ${family} ${name}`;
      netfilter.transact(Buffer.concat(begin), [type, Buffer.concat(table)], doing);
      return;
    } catch (thrown) {
      if (!isErrno(thrown, ERESTART, "ENOENT")) throw thrown;
    }
  }
}

/**
 * The ports of masqueraded connections, none below 1024: servers such as NFS take such a port as
 * the word of the node's root. Pods can take all of theirs to one address and port: the node's own
 * connections have others, by the default of net.ipv4.ip_local_port_range.
 */
export const MASQUERADE_PORTS = { ofPods: "1024-32767", ofNodes: "32768-65535", any: "1024-65535" };

/** Returns the statements that masquerade, each after its matches. */
export function masquerades(ports = MASQUERADE_PORTS.ofPods, flags = ""): string[] {
  const ported = `meta l4proto { tcp, udp, sctp } masquerade to :${ports}`;
  return [ported, "masquerade"].map((statement) => `${statement} ${flags}`.trim());
}

const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG_GETTABLE = 1;
const NFT_MSG_DELTABLE = 2;
const NFT_MSG_GETGEN = 16;
const NFTA_TABLE_NAME = 1;
const NFTA_TABLE_USERDATA = 6;
/** A type of nft's user data of a table, which are type, length and text with a zero at its end. */
const NFTNL_UDATA_TABLE_COMMENT = 0;
const NFTA_GEN_ID = 1;
/** Attribute of the message that starts a transaction: the generation it applies to. */
const GENID = 1;
/** Family numbers of nf_tables (linux/netfilter.h). */
const NFPROTO = { inet: 1, ip: 2, netdev: 5, ip6: 10 } as const;

/** Whether the kernel has tables of a family, in the namespace this thread is in. */
export async function nftSupports(family: "ip" | "inet" | "netdev"): Promise<boolean> {
  try {
    await run(["--check", "-f", "-"], `add table ${family} r2k-trial\n`, {});
    return true;
  } catch (thrown) {
    if (isErrno(thrown, "nft-refused", "ENOENT")) return false;
    throw thrown;
  }
}

/** Errors of a kernel without nftables. */
const NO_NFTABLES = ["EINVAL", "EOPNOTSUPP", "EPROTONOSUPPORT"];

/**
 * Whether a table is there, in the namespace this thread is in; none is where the kernel has no
 * nftables. Asks the kernel: no process is run.
 */
export function nftTableExists(family: keyof typeof NFPROTO, name: string): boolean {
  return nftTableComment(family, name) !== undefined;
}

/** Returns a table's comment, empty if it has none; undefined where `nftTableExists` is false. */
export function nftTableComment(family: keyof typeof NFPROTO, name: string): string | undefined {
  const body = Buffer.concat([
    Buffer.from([NFPROTO[family], 0, 0, 0]),
    textAttribute(NFTA_TABLE_NAME, name),
  ]);
  try {
    using netfilter = new NetlinkSocket(NETLINK_NETFILTER);
    const type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETTABLE;
    const [message] = netfilter.request(type, 0, body, `get nft table ${family} ${name}`);
    const data = message && parseAttributes(message.body, 4).get(NFTA_TABLE_USERDATA);
    return data ? commentOf(data) : "";
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT", ...NO_NFTABLES)) return undefined;
    throw thrown;
  }
}

function commentOf(data: Buffer): string {
  for (let at = 0; at + 2 <= data.length; at += 2 + data[at + 1]!) {
    const value = data.subarray(at + 2, at + 2 + data[at + 1]!);
    if (data[at] === NFTNL_UDATA_TABLE_COMMENT) return textOf(value);
  }
  return "";
}

/**
 * Returns the generation of the nftables ruleset, of the namespace this thread is in. Every
 * transaction of every program increments it. Asks the kernel: no process is run.
 */
export function nftGeneration(): number {
  using netfilter = new NetlinkSocket(NETLINK_NETFILTER);
  return generationOf(netfilter);
}

/** The same, of the namespace of a netfilter socket. */
export function generationOf(netfilter: NetlinkSocket): number {
  const type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETGEN;
  const doing = "get the generation of the nft ruleset";
  const [message] = netfilter.request(type, 0, Buffer.alloc(4), doing);
  const id = message && parseAttributes(message.body, 4).get(NFTA_GEN_ID);
  return id && id.length >= 4 ? id.readUInt32BE() : 0;
}
