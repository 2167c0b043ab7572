// `npm run sim -- --seeds N --from S`: runs seeds, prints what was done and found.
//   --seeds N --from S   runs N seeds and prints what happened in all of them together
//       --jobs J         in J processes, by default one for each processor
//       --minutes M      starts no seed after M minutes
//       --plain          of the plain kind, with all faults and clients; else of the swarm kind
//       --totals FILE    adds to what FILE holds, and leaves out seeds that it has
//   --transcript SEED         runs one seed and prints its end with a diagram (--svg FILE draws it)
//   --shrink SEED        finds what a failing seed needs to fail; --write NAME keeps it as a case,
//       or as a file when the name ends with .json
//   --case FILE          runs such a file, as --transcript runs a seed
//   --mutants            puts each known bug back in and says which seed and checker found it;
//       --record         writes them to mutants/seeds.json
//   --mutant NAME        only this bug, with --mutants; puts it in, with --transcript or --shrink
//   --planted K          the same with one of lab 20's bugs, which has a number and no name
import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { CASES_FOLDER, type Case, readCase, writeCase } from "./cases.ts";
import { svgDiagram, textDiagram } from "./diagram.ts";
import { CLASSES, SWARM_CLASSES } from "./faults/faults.ts";
import { MUTANTS } from "./mutants/all.ts";
import { hunt } from "./mutants/hunt.ts";
import type { Mutant } from "./mutants/mutant.ts";
import { plantedBug } from "./mutants/planted.ts";
import { runScript } from "./run.ts";
import type { Kind, Script } from "./script.ts";
import { commitOf, runSeeds } from "./seeds/seeds.ts";
import { Totals } from "./seeds/totals.ts";
import { shrink } from "./shrink.ts";

const TRANSCRIPT_LINES = 120;
const DIAGRAM_MESSAGES = 60;

const say = (line: string) => void process.stdout.write(`${line}\n`);

const text = { type: "string" } as const;

function parse() {
  return parseArgs({
    options: {
      seeds: { ...text, default: "20" },
      from: { ...text, default: "1" },
      jobs: { ...text, default: String(availableParallelism()) },
      plain: { type: "boolean", default: false },
      minutes: { ...text, default: "Infinity" },
      totals: text,
      transcript: text,
      svg: text,
      shrink: text,
      write: text,
      mutants: { type: "boolean", default: false },
      mutant: text,
      planted: text,
      case: text,
      record: { type: "boolean", default: false },
    },
  }).values;
}

type Arguments = ReturnType<typeof parse>;

/** A number that is at least `least`; a RangeError names what was given instead. */
function number(name: string, value: string, least: number): number {
  const parsed = Number(value);
  if (value === "" || !(parsed >= least)) {
    throw new RangeError(`--${name} is a number from ${least} on, not "${value}"`);
  }
  return parsed;
}

async function main(): Promise<number> {
  const args = parse();
  if (args.case !== undefined) return repeat(args.case, args.svg);
  const planted = args.planted === undefined ? {} : { planted: number("planted", args.planted, 1) };
  const mutant = bugOf({ ...planted, ...(args.mutant !== undefined && { mutant: args.mutant }) });
  const kind: Kind = args.plain ? {} : { swarm: true };
  if (args.transcript !== undefined) {
    return record({ seed: number("transcript", args.transcript, 0), ...kind }, args.svg, mutant);
  }
  if (args.shrink !== undefined) {
    const script = { seed: number("shrink", args.shrink, 0), ...kind };
    return minimise(script, args.write, mutant, planted);
  }
  const from = number("from", args.from, 0);
  const count = number("seeds", args.seeds, 1);
  const jobs = number("jobs", args.jobs, 1);
  const mutants = mutant ? [mutant] : MUTANTS;
  if (args.mutants) {
    const record = args.record ? { record: writeSeeds } : {};
    return hunt({ mutants, kind, from, count, jobs, say, ...record });
  }
  return many(args, { kind, from, count, jobs });
}

/** Records the seeds of the hunted mutants beside those of the others. */
function writeSeeds(seeds: object): void {
  const file = join(import.meta.dirname, "mutants/seeds.json");
  const all = { ...(JSON.parse(readFileSync(file, "utf8")) as object), ...seeds };
  const sorted = Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1));
  writeFileSync(file, `${JSON.stringify(Object.fromEntries(sorted), undefined, 2)}\n`);
}

/** Returns the bug that is put in, if there is one. */
function bugOf({ mutant, planted }: Pick<Case, "mutant" | "planted">): Mutant | undefined {
  if (planted !== undefined) return plantedBug(planted);
  return mutant === undefined ? undefined : mutantOf(mutant);
}

/** Runs a case as `record` does, and prints how much is left of its seed's run. */
async function repeat(path: string, svg: string | undefined): Promise<number> {
  const { script, ...bug } = readCase(path);
  const code = await record(script, svg, bugOf(bug));
  const { faults, clients, faulty_ms = "all" } = script;
  const size = `${faults?.length ?? "all"} faults, ${clients?.length ?? "all"} clients`;
  const by = bug.planted === undefined ? "" : `planted bug ${bug.planted}: `;
  say(`${by}${size}, ${faulty_ms} ms`);
  return code;
}

function mutantOf(name: string): Mutant {
  const mutant = MUTANTS.find((each) => each.name === name);
  if (mutant) return mutant;
  const names = MUTANTS.map((each) => `  ${each.name}`).join("\n");
  throw new RangeError(`no mutant "${name}"; there are\n${names}`);
}

async function many(
  { totals: path, minutes, plain }: Arguments,
  { kind, from, count, jobs }: { kind: Kind; from: number; count: number; jobs: number },
): Promise<number> {
  const totals = path === undefined ? new Totals() : Totals.read(path, kind);
  const began_ms = performance.now();
  const before = totals.size;
  await runSeeds({
    kind,
    jobs,
    seeds: Array.from({ length: count }, (_, i) => from + i),
    minutes: number("minutes", minutes, 0),
    totals,
    commit: commitOf(import.meta.dirname),
    save: () => (path === undefined ? undefined : totals.write(path)),
    onFailure: say,
  });
  const took_s = (performance.now() - began_ms) / 1000;
  for (const line of totals.counters.lines()) say(line);
  const failed = totals.failures.map(({ seed }) => seed);
  const list = failed.length > 0 ? ` (${failed.join(", ")})` : "";
  const classes = plain ? CLASSES : [...CLASSES, ...SWARM_CLASSES];
  const missing = totals.counters.missing(classes);
  if (missing.length > 0) say(`never happened: ${missing.join(", ")}`);
  const ranges = totals.ranges.map(([from, to]) => `${from} to ${to}`).join(", ");
  say(
    `${totals.size - before} seeds now in ${took_s.toFixed(1)} s; ${totals.size} in all ` +
      `(${ranges}), ${totals.cpu_s.toFixed(0)} s of processors; ${failed.length} failed${list}`,
  );
  return failed.length + missing.length === 0 ? 0 : 1;
}

/** Runs one seed with its transcript. */
async function record(
  script: Script,
  svg: string | undefined,
  mutant: Mutant | undefined,
): Promise<number> {
  const seams = mutant?.seams ?? {};
  const { transcript, violation, counters } = await runScript({ script, transcript: true, seams });
  for (const line of transcript.print(TRANSCRIPT_LINES)) say(line);
  for (const line of textDiagram(transcript, DIAGRAM_MESSAGES)) say(line);
  if (svg !== undefined) writeFileSync(svg, svgDiagram(transcript, DIAGRAM_MESSAGES));
  for (const line of counters.lines()) say(line);
  say(`seed ${script.seed}: ${violation?.message ?? "all properties held"}`);
  return violation ? 1 : 0;
}

/** The least of a failing seed that fails alike, printed, and kept under a name if there is one. */
async function minimise(
  script: Script,
  name: string | undefined,
  mutant: Mutant | undefined,
  planted: Pick<Case, "planted">,
): Promise<number> {
  const least = await shrink({ script, seams: mutant?.seams ?? {}, say });
  if (!least) {
    say(`seed ${script.seed} does not fail`);
    return 1;
  }
  const { violation } = least;
  const found = violation.message.split("\n")[0]!;
  say(`${JSON.stringify(least.script)}\n${violation.message}`);
  if (name === undefined) return 0;
  const { checker } = violation;
  const path = name.endsWith(".json") ? name : join(CASES_FOLDER, `${name}.json`);
  const named = mutant && planted.planted === undefined ? { mutant: mutant.name } : planted;
  const bug = mutant ? { ...named, checker } : {};
  writeCase(path, { found, script: least.script, ...bug });
  say(`kept in ${path}`);
  return 0;
}

/** A wrong argument is reported in a line; any other error is a bug of the simulator. */
function reportWrongArgument(thrown: unknown): number {
  if (!(thrown instanceof RangeError || thrown instanceof TypeError)) throw thrown;
  process.stderr.write(`${thrown.message}\n`);
  return 2;
}

process.exitCode = await main().catch(reportWrongArgument);
