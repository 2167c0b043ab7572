import { spawn } from "node:child_process";
import { peer } from "../apiserver/sides.ts";
import { childrenCpu_s } from "./cluster.ts";

/** A program's output and its processor time, with that of others which ended meanwhile. */
export type Run = { readonly output: string; readonly cpu_s: number };

/** Runs one of the peers' programs to its end. */
export function run(program: string, args: readonly string[]): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(peer(program), args, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let complaint = "";
    const before_s = childrenCpu_s();
    child.stdout.setEncoding("utf8").on("data", (text: string) => (output += text));
    child.stderr.setEncoding("utf8").on("data", (text: string) => (complaint += text));
    child.once("error", reject);
    child.once("close", (code) => {
      if (code === 0) resolve({ output, cpu_s: childrenCpu_s() - before_s });
      else reject(new Error(`${program} ${args.join(" ")}: ${complaint.slice(-2_000)}`));
    });
  });
}

/** Runs etcd's `benchmark` against a store. */
export function benchmark(endpoints: string, clients: number, args: string[]): Promise<Run> {
  const conns = Math.min(10, clients);
  const where = [`--endpoints=${endpoints}`, `--clients=${clients}`, `--conns=${conns}`];
  return run("benchmark", [args[0]!, ...where, ...args.slice(1)]);
}

export const PUT_BYTES = ["--val-size=256", "--key-size=32", "--key-space-size=10000"];

/** Returns the number after a word in a program's output. */
export function said({ output }: Run, pattern: RegExp): number {
  const value = Number(pattern.exec(output)?.[1]);
  if (Number.isFinite(value)) return value;
  throw new Error(`no ${pattern} in:\n${output}`);
}

export const RATE = /Requests\/sec:\s*([\d.]+)/;
/** Seconds. */
export const P99 = /99% in ([\d.]+) secs/;
