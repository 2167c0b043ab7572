// The whole suite, or what is asked for: `npm test [-- quick|GROUP|FILE|FOLDER|NAME...]`. Prints
// each group's time and processor time, the slowest files, what was left out and why, and one
// closing line. Exit code 0 when tests ran, none failed and nothing unnamed was left out.
import { existsSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DRAW_SEED } from "../testing/drawn.ts";
import { makeBundle } from "./e2e/own-host.ts";
import { type Group, type GroupResult, rowsOf, runRow } from "./groups.ts";
import { watchHost } from "./host-traces.ts";
import { removeLeftBehind } from "./left-behind.ts";
import { missingPeers } from "./left-out.ts";
import { installTestPrograms } from "./programs.ts";
import { forgetCompiled, MEMORY } from "./run-vitest.ts";
import { selectGroups, UnknownTestError } from "./selection.ts";

/** Tests that may be left out on some machines, by the title that they stand under, and why. */
const accepted = JSON.parse(
  readFileSync(join(import.meta.dirname, "left-out.json"), "utf8"),
) as Readonly<Record<string, string>>;

/** Files of a run that may pass at their second try; one more, and they count as failed. */
const SECOND_TRIES_MAX = 4;
/** Folders of tests that start the product as it is installed. */
const USES_BUNDLE = /^test\/(e2e|guest|contract)/;
/** The files that are listed with their processor time; those below the least time are not. */
const COSTLIEST = 20;
const COSTLY_S_MIN = 5;

const print = (line: string) => void process.stdout.write(`${line}\n`);

async function main(args: readonly string[]): Promise<number> {
  const groups = selected(args);
  if (groups === undefined) return 2;
  if (args.length === 0) forgetCompiled();
  // Tests draw by it what they judge (testing/drawn.ts): a second try judges the same.
  process.env["R2K_SEED"] ??= String(DRAW_SEED);
  // Packages take a minute to come, most of it without a processor: the first groups need none.
  const prepared = groups.every(({ isFirst }) => isFirst)
    ? undefined
    : prepare(groups, { isWatched: args.length === 0 && process.getuid?.() === 0 });
  prepared?.catch(() => undefined); // thrown where it is awaited
  const results: GroupResult[] = [];
  for (const row of rowsOf(groups)) {
    const run = async (group: Group) => {
      if (!group.isFirst) await prepared;
      return runGroup(group);
    };
    results.push(...(await runRow(row, run)));
  }
  const left = (await prepared) ?? (async () => []);
  listCostliest(results);
  const leftOut = results.flatMap((result) => result.leftOut);
  const unnamed = leftOut.filter((title) => !(title in accepted));
  leftOut.forEach((title, i) => {
    const reason = accepted[title] ?? "no reason stands in test/left-out.json: counted as failed";
    print(`LEFT OUT ${i + 1}: ${title}: ${reason}`);
  });
  const later = groups.flatMap(({ leftToOthers = [] }) => leftToOthers).join(", ");
  if (later !== "") print(`IN TURN, seed ${DRAW_SEED}; R2K_TURNS=all runs these too: ${later}`);
  for (const line of missingPeers(leftOut, accepted)) print(line);
  const tries = results.flatMap((result) => result.secondTries);
  for (const each of tries) print(`SECOND TRY ${each}`);
  const failures = results.flatMap((result) => result.failures);
  for (const trace of await left()) failures.push(`host: a test left ${trace} behind`);
  for (const failure of failures) print(`FAILED ${failure}`);
  const untrusted = tries.length > SECOND_TRIES_MAX ? tries.length : 0;
  const passed = results.reduce((sum, result) => sum + result.passed, 0);
  const failed = failures.length + unnamed.length + untrusted;
  print(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

/**
 * Installs what the groups need, then watches the host where that is asked for. Returns
 * what names the traces that tests have left. An ordinary user changes nothing of the host, and
 * cannot look at its rules; a part of the suite may run beside another, whose traces are there too.
 */
async function prepare(
  groups: readonly Group[],
  { isWatched }: { readonly isWatched: boolean },
): Promise<() => Promise<readonly string[]>> {
  await installTestPrograms(print);
  if (groups.some(({ folders }) => folders?.some((one) => USES_BUNDLE.test(one)))) {
    await makeBundle();
  }
  if (!isWatched) return async () => [];
  for (const folder of [tmpdir(), MEMORY].filter(existsSync)) {
    for (const path of removeLeftBehind(Date.now(), folder)) print(`REMOVED ${path}`);
  }
  return watchHost();
}

function selected(args: readonly string[]): readonly Group[] | undefined {
  try {
    return selectGroups(args);
  } catch (error) {
    if (!(error instanceof UnknownTestError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return undefined;
  }
}

/** A run lasts as long as the processors work: the time that a file waits is another one's. */
function listCostliest(results: readonly GroupResult[]): void {
  const files = results.flatMap((result) => result.times ?? []);
  const costly = files.filter(({ cpu_s }) => cpu_s >= COSTLY_S_MIN);
  for (const { name, took_s, cpu_s } of costly
    .toSorted((a, b) => b.cpu_s - a.cpu_s)
    .slice(0, COSTLIEST)) {
    print(`COSTLY ${cpu_s.toFixed(1)} s of processor time in ${took_s.toFixed(1)} s: ${name}`);
  }
}

async function runGroup(group: Group): Promise<GroupResult> {
  if (!((await group.possible?.()) ?? true)) {
    return { passed: 0, failures: [], leftOut: [group.name], secondTries: [] };
  }
  const title = group.part === undefined ? group.name : `${group.name}: ${group.part}`;
  print(`== ${title}`);
  const start_ms = performance.now();
  const result = await group.run();
  const took_s = ((performance.now() - start_ms) / 1000).toFixed(1);
  const cpu = `${result.cpu_s?.toFixed(1) ?? "?"} s of processor time`;
  const { passed, failures } = result;
  print(`== ${title}: ${passed} passed, ${failures.length} failed, ${took_s} s, ${cpu}`);
  return result;
}

process.exitCode = await main(process.argv.slice(2));
