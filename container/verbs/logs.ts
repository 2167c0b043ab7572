import { createReadStream, existsSync, type ReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createInterface } from "node:readline";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { isAlive } from "@raft2kube/runtime/process-identity.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { Command } from "commander";
import { withEngine } from "../engine/engine.ts";
import type { HandContainer } from "../engine/hand.ts";
import type { FindHost, Host } from "../engine/host.ts";
import { WAIT_INTERVAL_MS } from "../limits.ts";
import { durationOf, integerOf } from "../run/values.ts";

interface Flags {
  follow?: boolean;
  since?: string;
  until?: string;
  tail: string;
  timestamps?: boolean;
}

export function command(find: FindHost): Command {
  return new Command("logs")
    .argument("<container>")
    .description("What a container has written.")
    .option("-f, --follow", "and what it writes until it ends")
    .option("--since <time>", "RFC 3339, or how long ago: 10m")
    .option("--until <time>", "RFC 3339, or how long ago")
    .option("-n, --tail <lines>", "the last lines", "all")
    .option("-t, --timestamps", "with the time of each line")
    .action(async (name: string, flags: Flags) => {
      const host = await find();
      const found = await withEngine(host, async ({ containers }) => containers.get(name));
      await show(host, found, flags);
    });
}

function timeOf(host: Host, flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  const given_ms = Date.parse(text);
  return Number.isNaN(given_ms) ? host.clock.now() - durationOf(flag, text) : given_ms;
}

/** A line of CRI's log: its time, its stream, whether it is whole, and the text. */
const LINE = /^(\S+) (stdout|stderr) ([FP]) (.*)$/s;

async function show(host: Host, { record }: HandContainer, flags: Flags): Promise<void> {
  const file = record.logPath;
  if (file === undefined) throw new RuntimeError("failed-precondition", "it has no log");
  const [since, until] = [
    timeOf(host, "--since", flags.since),
    timeOf(host, "--until", flags.until),
  ];
  const write = (line: string) => {
    const [, time = "", stream, whole, text = ""] = LINE.exec(line) ?? [];
    const at_ms = Date.parse(time);
    if ((since !== undefined && at_ms < since) || (until !== undefined && at_ms > until)) return;
    const out = stream === "stderr" ? process.stderr : process.stdout;
    out.write(`${flags.timestamps ? `${time} ` : ""}${text}${whole === "F" ? "\n" : ""}`);
  };
  const tail = /^(all|-\d+)$/.test(flags.tail) ? Infinity : integerOf("--tail", flags.tail);
  let at = await readFrom(file, 0, tail, write);
  if (!flags.follow) return;
  const isRunning = () => record.phase.state === "running" && isAlive(record.phase.process);
  for (let runs = true; runs; ) {
    runs = isRunning();
    at = await readFrom(file, at, Infinity, write);
    if (runs) await delay(host.clock, WAIT_INTERVAL_MS);
  }
}

/** Reads whole lines from a place on, the last `tail` of them. Returns the next place. */
async function readFrom(
  file: string,
  from: number,
  tail: number,
  write: (line: string) => void,
): Promise<number> {
  if (!existsSync(file) || (await stat(file)).size <= from) return from;
  const kept: string[] = [];
  let at = from;
  for await (const line of createInterface({ input: readingFrom(file, from) })) {
    const bytes = Buffer.byteLength(line) + 1;
    if (LINE.test(line)) {
      if (tail === Infinity) write(line);
      else if (kept.push(line) > tail) kept.shift();
    }
    at += bytes;
  }
  for (const line of kept) write(line);
  return Math.min(at, (await stat(file)).size);
}

function readingFrom(file: string, start: number): ReadStream {
  const stream = createReadStream(file, { start });
  stream.on("error", () => stream.destroy());
  return stream;
}
