// `npm run explore`: all schedules of each scenario within bounds; exits with 1 if one breaks a
// property, and prints what led to it.
//   --deviations D   departures from the plain schedule (default 2)
//   --states S       different states of each scenario at most
//   --mutant NAME    with this bug put in
//   --record         with one departure and with two, and writes their numbers to states.json
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { messageOf } from "@raft2kube/std/errors.ts";
import { describeMessage } from "../../../testing/raft/describe.ts";
import { MUTANTS } from "../mutants/all.ts";
import type { Scenario, Step } from "./explored-cluster.ts";
import { SCENARIOS } from "./scenarios.ts";
import { explore } from "./search.ts";
import { type Counted, type Recorded, STATES } from "./states.ts";

const { values } = parseArgs({
  options: {
    deviations: { type: "string", default: "2" },
    states: { type: "string", default: "1000000" },
    mutant: { type: "string" },
    record: { type: "boolean", default: false },
  },
});
const say = (line: string) => void process.stdout.write(`${line}\n`);
const seams = MUTANTS.find(({ name }) => name === values.mutant)?.seams ?? {};

function describe(step: Step): string {
  if ("message" in step) return `${step.kind} ${describeMessage(step.message)}`;
  if (step.kind === "propose") return `propose ${JSON.stringify(step.change.steps, shown)}`;
  return `${step.kind} ${step.member}`;
}

const shown = (_: string, value: unknown) => (typeof value === "bigint" ? String(value) : value);

/** Searches a scenario, reports it, and returns the numbers of its states and paths. */
function search(scenario: Scenario, deviations_max: number): Counted {
  const bounds = { deviations_max, steps_max: 300, states_max: Number(values.states) };
  const began_ms = performance.now();
  const { states, paths, complete, broken } = explore(scenario, bounds, seams);
  const took_s = ((performance.now() - began_ms) / 1000).toFixed(1);
  const how = complete ? "all of them" : "not all";
  say(`${scenario.name}: ${states} states, ${paths} paths, ${how}, ${took_s} s`);
  if (broken) {
    for (const step of broken.path) say(`  ${describe(step)}`);
    say(`  ${messageOf(broken.error)}`);
  }
  if (broken || (values.record && !complete)) process.exitCode = 1;
  return { states, paths };
}

if (values.record) {
  const numbers = SCENARIOS.map((scenario): Recorded => {
    return { scenario: scenario.name, departures: [search(scenario, 1), search(scenario, 2)] };
  });
  if (process.exitCode !== 1) writeFileSync(STATES, `${JSON.stringify(numbers, undefined, 2)}\n`);
} else {
  for (const scenario of SCENARIOS) search(scenario, Number(values.deviations));
}
