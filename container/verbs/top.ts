import { readFileSync } from "node:fs";
import { isErrno } from "@raft2kube/std/errors.ts";
import { Command } from "commander";
import { withEngine } from "../engine/engine.ts";
import { type FindHost, requireCgroups } from "../engine/host.ts";
import { type Line, printList } from "../format/list.ts";

export function command(find: FindHost): Command {
  return new Command("top")
    .argument("<container>")
    .description("The processes of a container.")
    .action(async (name: string) => {
      const host = await find();
      requireCgroups(host, "top");
      const pids = await withEngine(host, async ({ containers, runtime }) => {
        return runtime.cgroups.pids(containers.running(name).record.cgroup);
      });
      const lines = pids.sort((a, b) => a - b).flatMap(processLine);
      printList(lines, { UID: "UID", PID: "PID", PPID: "PPID", CMD: "CMD" }, {});
    });
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
