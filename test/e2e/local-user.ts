import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parentOf, processTable } from "@raft2kube/cli/observe/process-table.ts";
import type { OwnHost } from "./own-host.ts";
import { asUser, type UserCheckout } from "./user-namespace.ts";

/** Neither root, nor the user of any cluster or container of these tests. */
export const STRANGER = 65_533;
/** How much `secretsIn` may find. */
const SECRETS_BYTES_MAX = 2 ** 26;

/** Things that another user of a host can reach (local-attacker.ts). */
export interface InReach {
  readonly files: string[];
  readonly sockets: string[];
  readonly abstract: string[];
  readonly processes: string[];
}

/** A cluster's processes and all that they started, containers too. */
export function processesOf(pids: readonly number[]): number[] {
  const all = processTable().map(({ pid }) => pid);
  const found = new Set(pids);
  for (let size = 0; size !== found.size; ) {
    size = found.size;
    for (const pid of all) if (found.has(parentOf(pid) ?? 0)) found.add(pid);
  }
  return [...found];
}

/** Sockets that lie in folders, of which parts may go meanwhile. */
export function socketsIn(folders: readonly string[]): string[] {
  const { stdout } = spawnSync("find", [...folders, "-type", "s"], { encoding: "utf8" });
  return stdout.split("\n").filter((path) => path !== "");
}

/** Sockets without a file, which every process of their network namespace may connect to. */
function abstractSockets(pids: readonly number[]): string[] {
  const names = pids.flatMap((pid) => {
    const table = `/proc/${pid}/net/unix`;
    return existsSync(table) ? (readFileSync(table, "utf8").match(/ @.*$/gm) ?? []) : [];
  });
  return [...new Set(names)];
}

/** Attacks a cluster's folders, sockets and processes as the stranger. */
export async function attackAsStranger(
  host: OwnHost,
  checkout: UserCheckout,
  target: { folders: string[]; pids: number[] },
): Promise<{ reach: InReach; sockets: string[]; commands: string }> {
  const sockets = socketsIn(target.folders);
  const program = join(checkout.env["R2K_ROOT"]!, "test/e2e/local-attacker.ts");
  const args = [checkout.r2k[0], program, JSON.stringify({ ...target, sockets })];
  const { code, stdout, stderr } = await host.run("setpriv", [...asUser(STRANGER), ...args]);
  if (code !== 0) throw new Error(`the attacker: ${stderr}`);
  const { commands, ...found } = JSON.parse(stdout) as InReach & { commands: string[] };
  const reach = { ...found, abstract: abstractSockets(target.pids) };
  return { reach, sockets, commands: commands.join("\0") };
}

/** Lines of private keys and tokens in a folder's files, of which some may go meanwhile. */
export function secretsIn(folder: string): string[] {
  const names = ["key", "conf", "pem"].map((type) => `--include=*.${type}`);
  const args = ["-rshoE", "[[:alnum:]_+/=]{40,}", ...names, folder];
  const { stdout } = spawnSync("grep", args, { encoding: "utf8", maxBuffer: SECRETS_BYTES_MAX });
  return stdout.split("\n").filter((line) => line !== "");
}
