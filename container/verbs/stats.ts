import { totalmem } from "node:os";
import { networkUsage } from "@raft2kube/runtime/sandbox/stats.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { withEngine } from "../engine/engine.ts";
import type { HandContainer } from "../engine/hand.ts";
import { requireCgroups } from "../engine/host.ts";
import type { Engine } from "../engine/open-engine.ts";
import { type Line, printList } from "../format/list.ts";
import { binaryWords, shortId, sizeWords } from "../format/words.ts";
import { verb } from "../verb.ts";

/** Time between two looks, by which use of processors is computed. */
const SAMPLE_MS = 500;
const COLUMNS =
  "ID=CONTAINER ID, Name, CPUPerc=CPU %, MemUsage=MEM USAGE / LIMIT, MemPerc=MEM %, " +
  "NetIO=NET I/O, PIDs";

export const stats = verb(
  "stats [container...]",
  "What containers use.",
  {
    "-a, --all": "as without: one that has ended uses nothing",
    "--no-stream": "once",
    "--no-trunc": "whole ids",
    "--format <format>": "json, a template, or table TEMPLATE",
  },
  async (host, [names], flags) => {
    requireCgroups(host, "stats");
    do {
      const { engine, found } = await withEngine(host, async (open) => {
        const { containers } = open;
        const running = () =>
          containers.all().filter(({ record }) => record.phase.state === "running");
        const chosen = names.length > 0 ? names.map((name) => containers.get(name)) : running();
        return { engine: open, found: chosen };
      });
      const before = found.map((container) => cpuOf(engine, container));
      await delay(host.clock, SAMPLE_MS);
      const lines = found.map((each, at) => lineOf(engine, each, before[at]!, flags.trunc));
      if (flags.stream && process.stdout.isTTY) process.stdout.write("\u001b[H\u001b[J");
      printList(lines, COLUMNS, flags);
    } while (flags.stream);
  },
);

function cpuOf({ runtime }: Engine, { record }: HandContainer): number {
  return runtime.cgroups.usage(record.cgroup)?.cpu_ns ?? 0;
}

function lineOf(engine: Engine, container: HandContainer, before_ns: number, trunc: boolean): Line {
  const { record, hand } = container;
  const usage = engine.runtime.cgroups.usage(record.cgroup);
  const used = usage?.memory.workingSet_bytes ?? 0;
  const limit = usage?.memory.limit_bytes ?? totalmem();
  const cpu = (cpuOf(engine, container) - before_ns) / (SAMPLE_MS * 1e6);
  const sandbox = engine.runtime.sandboxes.find(record.sandboxId);
  const network = sandbox && networkUsage(sandbox, 0n)?.defaultInterface;
  const [received, sent] = [network?.rxBytes, network?.txBytes].map((counter) => {
    return sizeWords(Number(counter?.value ?? 0));
  });
  const ID = trunc ? shortId(record.id) : record.id;
  return {
    ID,
    Container: ID,
    Name: hand.name,
    CPUPerc: `${(100 * Math.max(0, cpu)).toFixed(2)}%`,
    MemUsage: `${binaryWords(used)} / ${binaryWords(limit)}`,
    MemPerc: `${((100 * used) / limit).toFixed(2)}%`,
    NetIO: `${received} / ${sent}`,
    PIDs: String(usage?.pids ?? 0),
  };
}
