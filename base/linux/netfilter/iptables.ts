import { readFileSync } from "node:fs";
import { CodedError, errno, isErrno, tolerateSync } from "@raft2kube/std/errors.ts";
import { runProgram } from "../process/run-program.ts";
import { MASQUERADE_PORTS, nftSupports, nftTableExists } from "./nft.ts";

/**
 * The programs refused an input (`iptables-refused`), are missing (`iptables-missing`), or were not
 * started for another reason, or killed (`iptables-failed`). Of an input of several transactions
 * those before the one that was refused are applied, and neither it nor those after it.
 */
export class IptablesError extends CodedError {}

/** Which interface of the kernel the programs use; the tables of the two are separate. */
export type IptablesKind = "nft" | "legacy";

/** Arguments of both kinds of iptables-restore; the legacy one waits for the lock, in seconds. */
export const RESTORE_ARGS = ["--wait", "5", "--noflush"];

/** The first version that repeats a comment when it reads it, not when its input ends. */
const VERSION_THAT_ANSWERS = [1, 8, 5];

/** Returns the matches and targets that masquerade, in their order, as `masquerades` of nft.ts. */
export function iptablesMasquerades(
  ports = MASQUERADE_PORTS.ofPods,
): { readonly match: string; readonly target: string }[] {
  const ported = ["tcp", "udp", "sctp"].map((protocol) => ({
    match: ` -p ${protocol}`,
    target: `MASQUERADE --to-ports ${ports}`,
  }));
  return [...ported, { match: "", target: "MASQUERADE" }];
}

/** The programs of iptables for IPv4, in the namespace that this thread is in. */
export interface Iptables {
  readonly kind: IptablesKind;
  /**
   * Applies the input of `iptables-restore --noflush`: in its order, the statements up to each
   * COMMIT as one transaction. IptablesError.
   */
  restore(input: string): Promise<void>;
  /**
   * The lines of `iptables-save`, of one table or of all. The program on nftables starts again at
   * each transaction of this namespace that comes meanwhile: IptablesError `iptables-failed` if it
   * has not ended after `timeout_ms`.
   */
  save(table?: string, timeout_ms?: number): Promise<string[]>;
  /** The rules of one chain as `iptables-save` prints them, read without those of others. */
  rulesOf(table: string, chain: string): Promise<string[]>;
  /** Whether iptables-restore answers before its input ends, so that it can be kept running. */
  answersAtOnce(): Promise<boolean>;
}

/** Returns the code of an IptablesError for a program that failed. */
export function iptablesCode(cause: unknown): string {
  if (isErrno(cause, "ENOENT")) return "iptables-missing";
  return isErrno(cause, "EXIT") ? "iptables-refused" : "iptables-failed";
}

/**
 * Finds the programs that work here: those on nftables where the kernel has it for IPv4, else the
 * legacy ones. IptablesError `iptables-missing` if neither does. A program that was not started, as
 * where memory runs out, is an error: it does not show which of the two tables are in use.
 */
export async function findIptables(): Promise<Iptables> {
  const failures: unknown[] = [];
  for (const kind of ["nft", "legacy"] as const) {
    try {
      if (kind === "nft" && (await lacksNftables())) continue;
      // Reads no rules: others may be many, and change while they are read.
      await run(kind, "-restore", [...RESTORE_ARGS, "--test"], "*nat\nCOMMIT\n");
      return iptables(kind);
    } catch (thrown) {
      if (isErrno(thrown, "iptables-failed", "nft-failed")) throw thrown;
      failures.push(thrown);
    }
  }
  const why = failures.map(String).join("; ");
  throw new IptablesError("iptables-missing", `iptables does not work here: ${why}`, {
    remedy: "install iptables, or use another proxy mode",
  });
}

/**
 * Whether the kernel is known to have no nftables for IPv4: iptables-nft-save prints an empty table
 * then, and succeeds.
 */
async function lacksNftables(): Promise<boolean> {
  try {
    return !(await nftSupports("ip"));
  } catch (thrown) {
    if (isErrno(thrown, "nft-missing")) return false; // there is no program to ask
    throw thrown;
  }
}

/**
 * Whether this thread's namespace has a nat table of either kind. Asks the kernel: no process is
 * run. `read` reads the kernel's list of the legacy ones.
 */
export function hasNatTable(read: (path: string) => string = readText): boolean {
  return tableNames(read).includes("nat") || nftTableExists("ip", "nat");
}

const readText = (path: string) => readFileSync(path, "utf8");

function tableNames(read: (path: string) => string): string[] {
  // A kernel without the legacy tables, or an ordinary user's namespace, where they are unread.
  return (
    tolerateSync(
      () => read("/proc/thread-self/net/ip_tables_names").split("\n"),
      errno("ENOENT", "EACCES"),
    ) ?? []
  );
}

async function run(
  kind: IptablesKind,
  program: "" | "-restore" | "-save",
  args: string[],
  input = "",
  timeout_ms?: number,
): Promise<string> {
  try {
    const limit = timeout_ms === undefined ? {} : { timeout_ms };
    return await runProgram(`iptables-${kind}${program}`, args, input, limit);
  } catch (thrown) {
    throw new IptablesError(iptablesCode(thrown), String(thrown), { cause: thrown });
  }
}

/** The programs of one kind. */
export const iptables = (kind: IptablesKind): Iptables => ({
  kind,
  async restore(input) {
    await run(kind, "-restore", RESTORE_ARGS, input);
  },
  async save(table, timeout_ms) {
    const args = table === undefined ? [] : ["-t", table];
    return (await run(kind, "-save", args, "", timeout_ms)).split("\n");
  },
  async rulesOf(table, chain) {
    const lines = (await run(kind, "", ["-w", "5", "-t", table, "-S", chain])).split("\n");
    return lines.filter((line) => line.startsWith("-A "));
  },
  async answersAtOnce() {
    const version = /v(\d+)\.(\d+)\.(\d+)/.exec(await run(kind, "-restore", ["--version"]));
    const parts = version?.slice(1).map(Number) ?? [];
    const differs = VERSION_THAT_ANSWERS.findIndex((part, i) => part !== parts[i]);
    return differs < 0 || (parts[differs] ?? 0) > VERSION_THAT_ANSWERS[differs]!;
  },
});
