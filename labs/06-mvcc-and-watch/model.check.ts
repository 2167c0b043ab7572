import { seededRandom } from "@raft2kube/std/random.ts";
import { describeInput } from "../../testing/history/history.ts";
import { kvStep } from "../../testing/history/kv-model.ts";
import { EMPTY_STATE } from "../../testing/history/kv-state.ts";
import { check, checkOptions, stillAtWork } from "../check.ts";
import { judge } from "../judge.ts";
import { randomInput } from "./random-input.ts";
import { Applied } from "./state.ts";

const RUNS = 20;
const STEPS = 150;
const SHOWN = 8;

check("every response equals that of the reference model", async () => {
  const { runs = RUNS, seed: first = 1 } = checkOptions();
  for (let seed = first; seed < first + runs; seed++) {
    stillAtWork();
    await compareWithModel(seed);
  }
});

async function compareWithModel(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const applied = await Applied.open();
  let model = EMPTY_STATE;
  const before: string[] = [];
  for (let step = 0; step < STEPS; step++) {
    const input = randomInput(random, model.revision);
    const { answer, state } = kvStep(model, input);
    const happened = applied.do(input);
    const lines = before.slice(-SHOWN).map((line) => `\n    ${line}`);
    judge(happened === answer, {
      when: `${describeInput(input)}, seed ${seed}, after${lines.join("")}\n`,
      expected: answer,
      happened,
      why: "etcd's clients, Kubernetes among them, depend on each of these responses",
    });
    model = state;
    before.push(`${describeInput(input)} -> ${answer}`);
  }
}
