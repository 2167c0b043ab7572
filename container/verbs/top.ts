import { readFileSync } from "node:fs";
import { runCommand } from "@raft2kube/runtime/command.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { Command } from "commander";
import { withEngine } from "../engine/engine.ts";
import { type FindHost, requireCgroups } from "../engine/host.ts";
import { type Line, print, printList } from "../format/list.ts";
import { badFlag } from "../run/values.ts";

export function command(find: FindHost): Command {
  return new Command("top")
    .argument("<container>")
    .argument("[options...]", "of ps(1), whose columns have the pid")
    .description("The processes of a container.")
    .allowUnknownOption()
    .action(async (name: string, options: string[]) => {
      const host = await find();
      requireCgroups(host, "top");
      const pids = await withEngine(host, async ({ containers, runtime }) => {
        return runtime.cgroups.pids(containers.running(name).record.cgroup);
      });
      if (options.length > 0) return print(await psLines(options, new Set(pids)));
      const lines = pids.sort((a, b) => a - b).flatMap(processLine);
      printList(lines, { UID: "UID", PID: "PID", PPID: "PPID", CMD: "CMD" }, {});
    });
}

/** The lines of ps(1) about some processes, below its headings. */
async function psLines(options: readonly string[], pids: ReadonlySet<number>): Promise<string[]> {
  const { stdout } = await runCommand("ps", [...options]);
  const [head = "", ...rest] = stdout.toString("utf8").trimEnd().split("\n");
  const column = head.trim().split(/\s+/).indexOf("PID");
  if (column < 0) throw badFlag("top", options.join(" "), "prints no column PID");
  return [head, ...rest.filter((line) => pids.has(Number(line.trim().split(/\s+/)[column])))];
}

/** Nothing for one that has ended. */
function processLine(pid: number): Line[] {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const field = (key: string) => new RegExp(`^${key}:\\s*(\\S+)`, "m").exec(status)?.[1] ?? "";
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    const CMD = words || `[${field("Name")}]`;
    return [{ UID: field("Uid"), PID: String(pid), PPID: field("PPid"), CMD }];
  } catch (error) {
    if (isErrno(error, "ENOENT", "ESRCH")) return [];
    throw error;
  }
}
