import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { CodedError, isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { NETLINK_NETFILTER, NetlinkSocket } from "./netlink.ts";
import { textAttribute } from "./netlink-attributes.ts";
import { inNetns } from "./netns.ts";

/** nft refused a transaction: nothing of it was applied. `message` holds what nft said. */
export class NftError extends CodedError {
  override readonly name = "NftError";
}

const OUTPUT_BYTES = 64 << 20;
const STDERR_BYTES = 16 << 10;

/** Where a ruleset is applied: the namespace at `netns`, or the one this thread is in. */
export interface NftOptions {
  netns?: string;
}

function start(
  args: string[],
  netns: string | undefined,
  onError: (error: Error) => void,
): ChildProcessWithoutNullStreams {
  // The child is born in the namespace that this thread is in while it is spawned.
  const born = () => spawn("nft", args, { stdio: "pipe" }).on("error", onError);
  return netns === undefined ? born() : inNetns(netns, born);
}

function run(args: string[], input: string, options: NftOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = start(args, options.netns, (thrown) => {
      const remedy = "install nftables";
      const code = isErrno(thrown, "ENOENT") ? "nft-missing" : "nft-failed";
      reject(new NftError(code, `nft cannot be run: ${messageOf(thrown)}`, { remedy }));
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      if (stdout.length > OUTPUT_BYTES) child.kill("SIGKILL");
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      if (stderr.length < STDERR_BYTES) stderr += text;
    });
    child.stdin.on("error", () => undefined); // nft that stops reading says why on stderr
    child.stdin.end(input);
    child.on("close", (status, signal) => {
      if (status === 0) return resolve(stdout);
      const missing = /No such file or directory/.test(stderr);
      const text = stderr.trim() || `nft ended by ${signal ?? `status ${status}`}`;
      reject(new NftError(missing ? "ENOENT" : "nft-refused", `nft ${args.join(" ")}: ${text}`));
    });
  });
}

/** Applies a ruleset (nft's own text) as one transaction: all of it, or NftError and none. */
export async function applyRuleset(text: string, options: NftOptions = {}): Promise<void> {
  await run(["-f", "-"], text, options);
}

/**
 * One object of nft's JSON output: `{rule: {...}}`, `{chain: {...}}`, ... (libnftables-json(5)).
 */
export type NftObject = Record<string, Record<string, unknown>>;

/** `nft -j list ...` for what `args` name. NftError ENOENT when there is no such table or chain. */
export async function listRuleset(args: string[], options: NftOptions = {}): Promise<NftObject[]> {
  const output = await run(["-j", "list", ...args], "", options);
  const parsed = JSON.parse(output) as { nftables?: NftObject[] };
  return parsed.nftables ?? [];
}

/** Deletes a table with all in it; nothing happens when there is none. */
export async function deleteTable(family: string, name: string, options: NftOptions = {}) {
  // Adding first makes the deletion of one that is missing no error, within one transaction.
  await applyRuleset(`add table ${family} ${name}\ndelete table ${family} ${name}\n`, options);
}

const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG_GETTABLE = 1;
const NFTA_TABLE_NAME = 1;
/** Family numbers of nf_tables (linux/netfilter.h). */
const NFPROTO = { inet: 1, ip: 2, netdev: 5, ip6: 10 } as const;

/**
 * Whether a table is there, in the namespace this thread is in. Asks the kernel: no process is run.
 */
export function nftTableExists(family: keyof typeof NFPROTO, name: string): boolean {
  using netfilter = new NetlinkSocket(NETLINK_NETFILTER);
  const body = Buffer.concat([
    Buffer.from([NFPROTO[family], 0, 0, 0]),
    textAttribute(NFTA_TABLE_NAME, name),
  ]);
  try {
    const type = (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETTABLE;
    netfilter.request(type, 0, body, `get nft table ${family} ${name}`);
    return true;
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return false;
    throw thrown;
  }
}
