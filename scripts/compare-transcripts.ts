/**
 * Prints where our apiserver answers otherwise than upstream's did when it was recorded. Use:
 * `node scripts/compare-transcripts.ts [CASE...]`.
 */
import { differences } from "../test/contract/apiserver/transcripts/differences.ts";
import { readRecording } from "../test/contract/apiserver/transcripts/recording.ts";
import { startOurs } from "../test/contract/apiserver/transcripts/servers.ts";
import { CASES } from "../test/contract/apiserver/transcripts/cases/all.ts";
import { record } from "../test/contract/apiserver/transcripts/recorder.ts";

const wanted = process.argv.slice(2);
const recording = readRecording();
const ours = await startOurs();
let differing = 0;
let all = 0;
try {
  for (const testCase of CASES) {
    if (wanted.length > 0 && !wanted.some((word) => testCase.name.includes(word))) continue;
    const answers = await record(testCase, ours);
    for (const [index, each] of answers.entries()) {
      const found = differences(recording[testCase.name]?.[index], each);
      all += 1;
      if (found.length === 0) continue;
      differing += 1;
      process.stdout.write(`${testCase.name} | ${each.ask}\n`);
      for (const line of found) process.stdout.write(`    ${line}\n`);
    }
  }
} finally {
  await ours.close();
}
process.stdout.write(`${differing} of ${all} answers differ\n`);
