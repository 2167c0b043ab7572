/**
 * Prints where our apiserver answers otherwise than upstream's did when it was recorded. Use:
 * `node scripts/compare-transcripts.ts [CASE...]`.
 */
import { messageOf } from "@raft2kube/std/errors.ts";
import { answered, casesOf } from "../test/contract/apiserver/transcripts/cases.ts";
import { differences } from "../test/contract/apiserver/transcripts/differences.ts";
import { record } from "../test/contract/apiserver/transcripts/recorder.ts";
import { readRecording } from "../test/contract/apiserver/transcripts/recording.ts";
import { startOurs } from "../test/contract/apiserver/transcripts/servers.ts";
import type { Step } from "../test/contract/apiserver/transcripts/transcript.ts";

const wanted = process.argv.slice(2);
const recording = readRecording();
const ours = await startOurs();
let differing = 0;
let all = 0;
let failed = 0;
try {
  for (const testCase of casesOf(recording)) {
    if (wanted.length > 0 && !wanted.some((word) => testCase.name.includes(word))) continue;
    const exchanges = await record(testCase, ours).catch((thrown: unknown) => {
      process.stdout.write(`${testCase.name} was not finished: ${messageOf(thrown)}\n`);
    });
    if (exchanges === undefined) {
      failed += 1;
      continue;
    }
    const isRecorded = (step: Step) => step.isRecorded;
    const theirs = recording.get(testCase.name)?.filter(isRecorded) ?? [];
    const answers = answered(testCase, exchanges).filter(isRecorded);
    for (const [index, { ask }] of exchanges.entries()) {
      const found = differences(theirs[index]?.answer, answers[index]!.answer);
      all += 1;
      if (found.length === 0) continue;
      differing += 1;
      process.stdout.write(`${testCase.name} | ${ask}\n`);
      for (const line of found) process.stdout.write(`    ${line}\n`);
    }
  }
} finally {
  await ours.close();
}
process.stdout.write(`${differing} of ${all} answers differ, ${failed} cases were not finished\n`);
