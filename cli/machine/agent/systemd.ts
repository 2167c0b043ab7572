import { existsSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { tryCommandFor } from "../../preflight/command.ts";
import { RESTARTED_BY } from "../../supervisor/supervise.ts";
import { CommandError } from "../../terminal.ts";
import { filledText } from "../texts.ts";

export const UNIT = "r2k-machine.service";
const UNIT_PATH = `/etc/systemd/system/${UNIT}`;

/** A reload of all units takes seconds on a busy machine. */
const SYSTEMCTL_TIMEOUT_MS = 60_000;

/** The command of the node agent, and its variables. */
export interface AgentProgram {
  readonly program: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Whether systemd is the first process here, and so can be asked for a service: as sd_booted(3),
 * and in this namespace of processes, since the folder may be that of a machine around this one.
 */
export function hasSystemd(): boolean {
  const first = readFileSync("/proc/1/comm", "utf8").trim();
  return first === "systemd" && existsSync("/run/systemd/system");
}

export const hasUnit = () => existsSync(UNIT_PATH);

/** Installs the service, restarts it, and has it started with the machine. */
export async function startUnit(agent: AgentProgram, logPath: string): Promise<void> {
  await replaceFile(UNIT_PATH, unitText(agent, logPath), { mode: 0o644 });
  await systemctl("daemon-reload");
  await systemctl("enable", UNIT);
  await systemctl("restart", "--no-block", UNIT);
}

/** Asks for the end of the service, and does not wait for it. */
export const stopUnit = () => systemctl("stop", "--no-block", UNIT);

/** Removes the service, which has ended. */
export async function removeUnit(): Promise<void> {
  if (hasSystemd()) await systemctl("disable", UNIT);
  await rm(UNIT_PATH, { force: true });
  if (hasSystemd()) await systemctl("daemon-reload");
}

async function systemctl(...words: string[]): Promise<void> {
  const { succeeded, output } = await tryCommandFor(SYSTEMCTL_TIMEOUT_MS, "systemctl", ...words);
  if (succeeded) return;
  const remedy = `see systemctl status ${UNIT}; then the same command again`;
  throw new CommandError("SYSTEMD", `systemctl ${words.join(" ")}: ${output}`, { remedy });
}

function unitText({ program, env }: AgentProgram, logPath: string): string {
  const variables = Object.entries({ ...env, [RESTARTED_BY]: "systemd" });
  const values: Readonly<Record<string, string>> = {
    environment: variables.map((pair) => `Environment=${quoted(pair.join("="))}`).join("\n"),
    command: program.map((word) => quoted(word).replaceAll("$", "$$$$")).join(" "),
    logPath: logPath.replaceAll("%", "%%"),
  };
  return filledText(UNIT, (name) => values[name]!);
}

/** A word of a unit: its quotes, escapes and specifiers are not systemd's. */
function quoted(word: string): string {
  return `"${word.replaceAll(/["\\]/g, "\\$&").replaceAll("%", "%%").replaceAll("\n", "\\n")}"`;
}
