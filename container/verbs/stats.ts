import { networkUsage } from "@raft2kube/runtime/sandbox/stats.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { Command } from "commander";
import { withEngine } from "../engine/engine.ts";
import type { HandContainer } from "../engine/hand.ts";
import { type FindHost, requireCgroups } from "../engine/host.ts";
import type { Engine } from "../engine/open-engine.ts";
import { type Line, type ListFlags, printList } from "../format/list.ts";
import { shortId, sizeWords } from "../format/words.ts";

/** Time between two looks, by which use of processors is computed. */
const SAMPLE_MS = 500;
const COLUMNS = {
  ID: "CONTAINER ID",
  Name: "NAME",
  CPUPerc: "CPU %",
  MemUsage: "MEM USAGE / LIMIT",
  MemPerc: "MEM %",
  NetIO: "NET I/O",
  PIDs: "PIDS",
};

export function command(find: FindHost): Command {
  return new Command("stats")
    .argument("[container...]")
    .description("What containers use.")
    .option("--no-stream", "once")
    .option("--no-trunc", "whole ids")
    .option("--format <format>", "json, a template, or table TEMPLATE")
    .action(async (names: string[], flags: ListFlags & { stream?: boolean }) => {
      const host = await find();
      requireCgroups(host, "stats");
      do {
        const { engine, found } = await withEngine(host, async (open) => {
          const running = open.containers
            .all()
            .filter(({ record }) => record.phase.state === "running");
          const chosen =
            names.length > 0 ? names.map((name) => open.containers.get(name)) : running;
          return { engine: open, found: chosen };
        });
        const before = found.map((container) => cpuOf(engine, container));
        await delay(host.clock, SAMPLE_MS);
        const lines = found.map((container, at) => lineOf(engine, container, before[at]!, flags));
        if (flags.stream !== false && process.stdout.isTTY)
          process.stdout.write("\u001b[H\u001b[J");
        printList(lines, COLUMNS, flags);
      } while (flags.stream !== false);
    });
}

function cpuOf({ runtime }: Engine, { record }: HandContainer): number {
  return runtime.cgroups.usage(record.cgroup)?.cpu_ns ?? 0;
}

function lineOf(
  engine: Engine,
  container: HandContainer,
  before_ns: number,
  { trunc }: ListFlags,
): Line {
  const { record, hand } = container;
  const usage = engine.runtime.cgroups.usage(record.cgroup);
  const used = usage?.memory.workingSet_bytes ?? 0;
  const limit = usage?.memory.limit_bytes;
  const cpu = (cpuOf(engine, container) - before_ns) / (SAMPLE_MS * 1e6);
  const sandbox = engine.runtime.sandboxes.find(record.sandboxId);
  const network = sandbox && networkUsage(sandbox, 0n)?.defaultInterface;
  const ID = trunc === false ? record.id : shortId(record.id);
  const bytes = (counter: { value?: number | bigint } | undefined) => {
    return sizeWords(Number(counter?.value ?? 0));
  };
  return {
    ID,
    Container: ID,
    Name: hand.name,
    CPUPerc: `${(100 * Math.max(0, cpu)).toFixed(2)}%`,
    MemUsage: `${sizeWords(used)} / ${limit === undefined ? "unlimited" : sizeWords(limit)}`,
    MemPerc: limit === undefined ? "-" : `${((100 * used) / limit).toFixed(2)}%`,
    NetIO: `${bytes(network?.rxBytes)} / ${bytes(network?.txBytes)}`,
    PIDs: String(usage?.pids ?? 0),
  };
}
