// Kills verbs of `r2k container` at points of their way, repeats each, and compares what is left
// with what is left of one that was not killed. Arguments: the points of each verb, verbs. It runs
// in a network namespace of its own, with the folders of the environment.
import { spawnSync } from "node:child_process";
import { globSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { hostOf } from "@raft2kube/cli/commands/container.ts";
import { runContainerCommand } from "@raft2kube/container/command.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { waitFor } from "../../../../testing/wait.ts";
import { KILLED, type Killed } from "./verbs.ts";

const ROOT = join(import.meta.dirname, "../../../..");
const PROGRAM = join(ROOT, ".cache/bundle/container.js");
const { DIR = "" } = process.env;
const [points = "4", ...only] = process.argv.slice(2);
const GROUP = (await hostOf("default")).cgroupParent.slice(1);
// The program that conmon calls at a container's end.
process.argv[1] = PROGRAM;

/** Runs a command in this process. Returns what it printed, an error as its last line. */
async function run(words: readonly string[]): Promise<string> {
  const { write } = process.stdout;
  let printed = "";
  const keep = (text: string | Uint8Array) => {
    printed += String(text);
    return true;
  };
  process.stdout.write = keep as typeof write;
  try {
    await runContainerCommand(words, () => hostOf("default"));
  } catch (error) {
    printed += `error: ${messageOf(error)}\n`;
  } finally {
    process.stdout.write = write;
    process.exitCode = 0;
  }
  return printed;
}

async function runAll(commands: readonly string[][]): Promise<string> {
  let printed = "";
  for (const words of commands) printed += await run(words);
  return printed;
}

/** Runs a command as a process that is killed before a point. Returns the point, or the count. */
function killAt(words: readonly string[], at: number): string {
  const file = join(DIR, "count");
  const preload = `--import=${join(import.meta.dirname, "kill-at.ts")}`;
  const flags = ["--disable-warning=ExperimentalWarning", PROGRAM, "container"];
  const env = {
    ...process.env,
    R2K_ROOT: ROOT,
    NODE_OPTIONS: preload,
    KILL_AT: String(at),
    KILL_COUNT: file,
  };
  const stdio = ["ignore", "ignore", "pipe"] as const;
  const { stderr } = spawnSync(process.execPath, [...flags, ...words], { env, stdio: [...stdio] });
  if (at === 0 && stderr.length > 0) process.stderr.write(stderr);
  return readFileSync(file, "utf8");
}

/** Whether a process belongs to these folders' containers. */
function isOurs(pid: string): boolean {
  try {
    return (
      readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`${DIR}/`) ||
      readFileSync(`/proc/${pid}/cgroup`, "utf8").includes(GROUP)
    );
  } catch (error) {
    if (isErrno(error, "ENOENT", "ESRCH")) return false;
    throw error;
  }
}

/**
 * Files, mounts, groups, links of the network and processes that there are, once conmons have
 * ended.
 */
async function remains(): Promise<string[]> {
  const { R2K_DATA = "", R2K_RUN = "" } = process.env;
  const pids = () => readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && isOurs(pid));
  const ended = () => pids().length === 0 || undefined;
  await waitFor("conmon's end", ended, { timeout_ms: 5_000 }).catch(() => undefined);
  const commands = pids().map((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8"));
  const files = [R2K_DATA, R2K_RUN].flatMap((cwd) => globSync("**", { cwd }));
  const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
  const groups = globSync(`/sys/fs/cgroup/{,*/}${GROUP}/**`);
  const links = readdirSync("/sys/class/net").filter((link) => link.startsWith("veth"));
  const here = mounts.filter((line) => line.includes(DIR));
  return [...files, ...here, ...groups, ...links, ...commands].sort();
}

/** Repeats what was killed, looks at its result, and takes all away. */
async function finish({ words, look, after }: Killed): Promise<string> {
  const repeated = await run(words);
  // A command that had done all but print says that it is done already.
  const error = /^error: (?!.*(is taken|already|no such|not found|there is a network)).*/m;
  const failed = error.exec(repeated)?.[0] ?? "";
  const seen = await runAll(look);
  const cleaned = /^error.*/m.exec(
    await runAll([...after, ["system", "prune", "-f", "--volumes"]]),
  );
  return `${failed}${seen}${cleaned?.[0] ?? ""}`;
}

async function sweep(verb: string, killed: Killed): Promise<void> {
  const { words, before = [] } = killed;
  await runAll(before);
  const count = Number(killAt(words, 0));
  const wanted = await finish(killed);
  const left = await remains();
  const size = Math.min(count, Number(points));
  const chosen = Array.from({ length: size }, (_, at) => Math.ceil(((at + 0.5) * count) / size));
  let failures = 0;
  for (const at of chosen) {
    await runAll(before);
    const where = `${verb} ${at} of ${count} (${killAt(words, at)})`;
    const found = await finish(killed);
    const now = await remains();
    const extra = now.filter((line) => !left.includes(line));
    const lost = left.filter((line) => !now.includes(line));
    if (found === wanted && extra.length === 0 && lost.length === 0) continue;
    failures++;
    process.stdout.write(`${JSON.stringify({ where, found, wanted, extra, lost })}\n`);
  }
  process.stdout.write(`${verb}: ${size} of ${count}, failures: ${failures}\n`);
}

for (const [verb, killed] of Object.entries(KILLED)) {
  if (only.length === 0 || only.includes(verb)) await sweep(verb, killed);
}
rmSync(join(DIR, "count"), { force: true });
process.exit(0);
