// `npm run sim -- --seeds N --from S`: runs seeds, prints what was done and found.
//   --seeds N --from S   runs N seeds and prints what happened in all of them together
//   --story SEED         runs one seed and tells its end, with a diagram (--svg FILE draws it)
//   --mutants            puts each known bug back in and says which seed and checker found it
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { svgDiagram, textDiagram } from "./diagram.ts";
import { CLASSES } from "./faults/faults.ts";
import { MUTANTS } from "./mutants.ts";
import { catchMutant } from "./mutation.ts";
import { runSeed } from "./run.ts";
import { Tally } from "./world/tally.ts";

const STORY_LINES = 120;
const DIAGRAM_MESSAGES = 60;

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seeds: { type: "string", default: "20" },
      from: { type: "string", default: "1" },
      story: { type: "string" },
      svg: { type: "string" },
      mutants: { type: "boolean", default: false },
    },
  });
  if (values.story !== undefined) return tell(Number(values.story), values.svg);
  const from = Number(values.from);
  const count = Number(values.seeds);
  if (values.mutants) return hunt(from, count);
  const totals = new Tally();
  const failed: number[] = [];
  const began_ms = performance.now();
  for (let seed = from; seed < from + count; seed++) {
    const { tally, violation } = await runSeed({ seed });
    totals.add(tally);
    if (!violation) continue;
    failed.push(seed);
    process.stdout.write(`seed ${seed}: ${violation.message}\n`);
  }
  const took_s = (performance.now() - began_ms) / 1000;
  for (const line of totals.lines()) process.stdout.write(`${line}\n`);
  const list = failed.length > 0 ? ` (${failed.join(", ")})` : "";
  const missing = totals.missing(CLASSES);
  if (missing.length > 0) process.stdout.write(`never happened: ${missing.join(", ")}\n`);
  process.stdout.write(
    `${count} seeds from ${from}, ${failed.length} failed${list}, ` +
      `${took_s.toFixed(1)} s\n`,
  );
  return failed.length + missing.length === 0 ? 0 : 1;
}

/** Every mutant must be caught within `count` seeds. */
async function hunt(from: number, count: number): Promise<number> {
  let escaped = 0;
  for (const mutant of MUTANTS) {
    const caught = await catchMutant(mutant, from, count);
    if (!caught) escaped++;
    const how = caught ? `seed ${caught.seed} | ${caught.checker}` : "escaped";
    process.stdout.write(`| ${mutant.name} | ${mutant.breaks} | ${how} |\n`);
    if (caught) process.stderr.write(`    ${caught.message}\n`);
  }
  return escaped;
}

/** One seed, told. */
async function tell(seed: number, svg: string | undefined): Promise<number> {
  const { story, violation, tally } = await runSeed({ seed, story: true });
  for (const line of story.print(STORY_LINES)) process.stdout.write(`${line}\n`);
  for (const line of textDiagram(story, DIAGRAM_MESSAGES)) process.stdout.write(`${line}\n`);
  if (svg !== undefined) writeFileSync(svg, svgDiagram(story, DIAGRAM_MESSAGES));
  for (const line of tally.lines()) process.stdout.write(`${line}\n`);
  process.stdout.write(`seed ${seed}: ${violation?.message ?? "all properties held"}\n`);
  return violation ? 1 : 0;
}

process.exitCode = await main();
