// `npm run test:clock [-- CLOCK...]`: the whole suite with the wall clock moved ahead (clocks.ts),
// by Debian's faketime; the monotonic clock is left alone. Adds each run's row to record.json.
//   --groups G,H     only these groups of `npm test`, which the record names
//   --keep FILE      writes what the runs print to FILE as well
import { execFileSync, spawn } from "node:child_process";
import {
  createWriteStream,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { GROUPS } from "../groups.ts";
import { installTestPrograms } from "../programs.ts";
import { clocksAt } from "./clocks.ts";
import { installedLibfaketime } from "./libfaketime.ts";

const ROOT = join(import.meta.dirname, "../..");
const RECORD = join(import.meta.dirname, "record.json");
/** Programs that need help under a moved clock, found before those of the same name. */
const PROGRAMS = join(import.meta.dirname, "programs");

/** Files and folders of tests that cannot run under a moved clock, each with the reason. */
const leftOut = JSON.parse(
  readFileSync(join(import.meta.dirname, "left-out.json"), "utf8"),
) as Readonly<Record<string, string>>;

interface Row {
  readonly clock: string;
  readonly ahead_s: number;
  readonly commit: string;
  readonly groups: string;
  readonly passed: number;
  readonly failed: number;
  readonly took_s: number;
}

const say = (line: string) => void process.stdout.write(`${line}\n`);

/** Runs groups of the suite under one clock; resolves with its closing line's counts. */
async function runUnder(ahead_s: number, groups: readonly string[], keep?: string) {
  const dir = mkdtempSync(join(tmpdir(), "r2k-clock-"));
  // The library marks each process in shared memory; one that is killed leaves its mark behind.
  const own = 'mount -t tmpfs r2k-clock /dev/shm && exec "$@"';
  const node = join(ROOT, "node_modules/node/bin/node");
  const suite = [node, join(ROOT, "test/main.ts"), ...groups];
  const child = spawn("unshare", ["--mount", "sh", "-c", own, "sh", ...suite], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "inherit"],
    env: {
      ...process.env,
      PATH: `${PROGRAMS}:${process.env["PATH"]}`,
      R2K_CLOCK_DIR: dir,
      R2K_TURNS: "all",
      R2K_TEST_EXCLUDE: Object.keys(leftOut).join(","),
      LD_PRELOAD: installedLibfaketime(),
      FAKETIME: `+${ahead_s}`,
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
      NO_FAKE_STAT: "1",
    },
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", () => resolve());
  });
  const copy = keep === undefined ? undefined : createWriteStream(keep, { flags: "a" });
  const counts = { passed: 0, failed: 1 };
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      say(line);
      copy?.write(`${line}\n`);
      const closing = /^(\d+) passed, (\d+) failed$/.exec(line);
      if (closing) Object.assign(counts, { passed: +closing[1]!, failed: +closing[2]! });
    }
    await ended;
  } finally {
    copy?.end();
    rmSync(dir, { recursive: true });
  }
  return counts;
}

function addToRecord(row: Row): void {
  const rows = existsSync(RECORD) ? (JSON.parse(readFileSync(RECORD, "utf8")) as Row[]) : [];
  const others = rows.filter(({ clock, groups }) => clock !== row.clock || groups !== row.groups);
  const lines = [...others, row].map((each) => `  ${JSON.stringify(each)}`);
  writeFileSync(RECORD, `[\n${lines.join(",\n")}\n]\n`);
}

async function main(): Promise<number> {
  const text = { type: "string" } as const;
  const options = { groups: text, keep: text };
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const names = [...new Set(GROUPS.map(({ name }) => name))];
  const whole = names.filter((name) => !(`test/${name}` in leftOut));
  const groups = values.groups?.split(",") ?? whole;
  const known = Object.keys(clocksAt(Date.now()));
  const unknown = positionals.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    process.stderr.write(`no clock ${unknown.join(", ")}; there are ${known.join(", ")}\n`);
    return 2;
  }
  await installTestPrograms(say);
  installedLibfaketime();
  for (const [what, why] of Object.entries(leftOut)) say(`LEFT OUT ${what}: ${why}`);
  const commit = execFileSync("git", ["rev-parse", "--short=10", "HEAD"], { cwd: ROOT });
  let failures = 0;
  for (const clock of positionals.length > 0 ? positionals : known) {
    const ahead_s = clocksAt(Date.now())[clock]!;
    say(`== clock ${clock}: ${new Date(Date.now() + ahead_s * 1000).toISOString()}`);
    const start_ms = performance.now();
    const { passed, failed } = await runUnder(ahead_s, groups, values.keep);
    const took_s = Math.round((performance.now() - start_ms) / 1000);
    const row = { clock, ahead_s, commit: `${commit}`.trim(), groups: groups.join(" ") };
    addToRecord({ ...row, passed, failed, took_s });
    failures += failed;
  }
  return failures === 0 ? 0 : 1;
}

process.exitCode = await main();
