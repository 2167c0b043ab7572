// `npm run chaos -- --minutes 60`: three `r2k store` processes, each on a machine of its own (a
// network namespace, a small disk, a wall clock), and all faults that can be injected, round after
// round.
//   --minutes M     starts no round after M minutes; at least one is made
//   --seed N        the chances' seed, printed when none is given; processes keep their own time
//   --upgrade-from COMMIT   no faults, but a rolling upgrade from the release of this commit
//   machines        three control planes and two nodes in place of stores: see machines/main.ts
//   --result FILE   writes totals, and what did not hold, as JSON
// It needs root, here or in a user namespace. All it makes ends with it.
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { randomInteger, systemRandom } from "@raft2kube/std/random.ts";
import { Violation } from "../../../testing/violation.ts";
import { LEAVE_MOUNTS } from "../own-host.ts";
import { checkOut, THIS_RELEASE } from "./releases.ts";
import { Chaos } from "./rounds.ts";
import { rollingUpgrade } from "./upgrade.ts";

const NAMESPACES = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"];

const say = (line: string) => void process.stdout.write(`${line}\n`);

function parse() {
  const text = { type: "string" } as const;
  return parseArgs({
    options: {
      minutes: { ...text, default: "1" },
      seed: text,
      "upgrade-from": text,
      result: text,
      inside: text,
    },
  }).values;
}

type Arguments = ReturnType<typeof parse>;

/** Runs this program again in namespaces that end with it, and everything in them too. */
function enter(args: Arguments): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "r2k-chaos-"));
  const seed = args.seed ?? String(randomInteger(systemRandom, 1, 2 ** 31));
  const own = ["--minutes", args.minutes, "--seed", seed, "--inside", folder];
  for (const name of ["result", "upgrade-from"] as const) {
    const value = args[name];
    if (value !== undefined) own.push(`--${name}`, value);
  }
  const program = [process.execPath, import.meta.filename, ...own];
  const shell = ["sh", "-ec", `${LEAVE_MOUNTS} exec "$@"`, "sh"];
  const child = spawn("unshare", [...NAMESPACES, ...shell, ...program], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    process.on(signal, () => child.kill("SIGKILL"));
  }
  return new Promise((resolve) => {
    child.once("exit", (code) => {
      rmSync(folder, { recursive: true, force: true });
      resolve(code ?? 1);
    });
  });
}

/** Round after round until the time is over. */
async function rounds(chaos: Chaos, minutes: number): Promise<void> {
  const end_ms = performance.now() + minutes * 60_000;
  do {
    await chaos.round();
  } while (performance.now() < end_ms);
}

/** Everything that is asked for, or up to where a property does not hold. */
async function play(folder: string, args: Arguments): Promise<number> {
  const { minutes, seed, result, "upgrade-from": commit } = args;
  say(`seed ${seed}`);
  const old = commit === undefined ? undefined : checkOut(commit, folder);
  const release = old ?? THIS_RELEASE;
  const chaos = await Chaos.open({ folder, seed: Number(seed), release, say });
  let broken: string | undefined;
  try {
    if (old === undefined) await rounds(chaos, Number(minutes));
    else await rollingUpgrade(chaos, old);
  } catch (thrown) {
    broken = thrown instanceof Violation ? thrown.message : ((thrown as Error).stack ?? "?");
    say(broken);
    keepLogs(folder);
  }
  await chaos.close();
  chaos.counters.note("seconds", Math.round(performance.now() / 1000));
  for (const line of chaos.counters.lines()) say(line);
  say(broken === undefined ? "all properties held" : "a property did not hold");
  if (result !== undefined) {
    const sorted = [...chaos.counters.counts].sort(([a], [b]) => (a < b ? -1 : 1));
    const counts = Object.fromEntries(sorted);
    writeFileSync(result, `${JSON.stringify({ seed, minutes, broken, counts }, undefined, 2)}\n`);
  }
  return broken === undefined ? 0 : 1;
}

/** The members' last log lines, to find the cause. */
function keepLogs(folder: string): void {
  const kept = mkdtempSync(join(tmpdir(), "r2k-chaos-failed-"));
  cpSync(folder, kept, { recursive: true });
  say(`members' logs and data are kept in ${kept}`);
}

if (process.argv[2] === "machines") {
  const { machines } = await import("./machines/main.ts");
  process.exit(await machines(process.argv.slice(3)));
}
const args = parse();
if (args.inside === undefined) process.exitCode = await enter(args);
// Streams to members that are gone may linger: the end of this process ends them.
else process.exit(await play(args.inside, args));
