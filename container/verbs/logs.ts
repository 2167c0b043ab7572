import { existsSync } from "node:fs";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import { isAlive } from "@raft2kube/runtime/process-identity.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { withEngine } from "../engine/engine.ts";
import { openInput } from "../files/output.ts";
import { WAIT_INTERVAL_MS } from "../limits.ts";
import { durationOf, integer } from "../run/values.ts";
import { verb } from "../verb.ts";

/** A line of CRI's log: its time, its stream, whether it is whole, and the text. */
const LINE = /^(\S+) (stdout|stderr) ([FP]) (.*)$/s;

export const logs = verb(
  "logs <container>",
  "What a container has written.",
  {
    "-f, --follow": "and what it writes until it ends",
    "--since <time>": { about: "RFC 3339, or how long ago: 10m", as: timeOf },
    "--until <time>": { about: "RFC 3339, or how long ago", as: timeOf },
    "-n, --tail <lines>": { about: "the last lines", by: "all", as: linesOf },
    "-t, --timestamps": "with the time of each line",
  },
  async (host, [name], flags) => {
    const { record } = await withEngine(host, async ({ containers }) => containers.get(name));
    const file = record.logPath;
    if (file === undefined) throw new RuntimeError("failed-precondition", "it has no log");
    const now_ms = host.clock.now();
    const since = flags.since?.(now_ms) ?? -Infinity;
    const until = flags.until?.(now_ms) ?? Infinity;
    const write = (line: string) => {
      const [, time = "", stream, whole, text = ""] = LINE.exec(line) ?? [];
      const at_ms = Date.parse(time);
      if (at_ms < since || at_ms > until) return;
      const out = stream === "stderr" ? process.stderr : process.stdout;
      out.write(`${flags.timestamps ? `${inUtc(time)} ` : ""}${text}${whole === "F" ? "\n" : ""}`);
    };
    let at = await readFrom(file, 0, flags.tail, write);
    const isRunning = () => record.phase.state === "running" && isAlive(record.phase.process);
    for (let runs = flags.follow; runs; ) {
      runs = isRunning();
      at = await readFrom(file, at, Infinity, write);
      if (runs) await delay(host.clock, WAIT_INTERVAL_MS);
    }
  },
);

/** A number of lines: docker's words for all of them too. */
function linesOf(text: string): number {
  return /^(all|-\d+)$/.test(text) ? Infinity : integer()(text);
}

/** Returns a time in milliseconds since 1970, by the present one. */
function timeOf(text: string): (now_ms: number) => number {
  if (/^\d+(\.\d+)?$/.test(text)) return () => Number(text) * 1000;
  const given_ms = Date.parse(text);
  if (!Number.isNaN(given_ms)) return () => given_ms;
  const ago_ms = durationOf(text);
  return (now_ms) => now_ms - ago_ms;
}

/** A time in UTC, with the digits of its second; a damaged one as it is. */
function inUtc(time: string): string {
  if (Number.isNaN(Date.parse(time))) return time;
  const [, digits = ""] = /(\.\d+)/.exec(time) ?? [];
  return new Date(time).toISOString().replace(/\.\d+/, digits);
}

/** Reads whole lines from a place on, the last `tail` of them. Returns the next place. */
async function readFrom(
  file: string,
  from: number,
  tail: number,
  write: (line: string) => void,
): Promise<number> {
  if (!existsSync(file)) return from;
  const kept: string[] = [];
  let at = from;
  let rest = Buffer.alloc(0);
  for await (const chunk of openInput(file, from) as AsyncIterable<Buffer>) {
    const bytes = Buffer.concat([rest, chunk]);
    // A container's carriage returns, and Unicode's separators, end no line.
    const end = bytes.lastIndexOf("\n") + 1;
    at += end;
    rest = bytes.subarray(end);
    for (const line of bytes.toString("utf8", 0, end).split("\n")) {
      if (!LINE.test(line)) continue;
      if (tail === Infinity) write(line);
      else if (kept.push(line) > tail) kept.shift();
    }
  }
  for (const line of kept) write(line);
  return at;
}
