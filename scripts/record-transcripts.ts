/**
 * Records what upstream's kube-apiserver answers to the scripts and generated cases of
 * test/contract/apiserver/transcripts, where a test compares ours: a script's answers are replaced
 * in place. Use: `npm run peers -- etcd kube-apiserver`, then
 * `node scripts/record-transcripts.ts [CASE | AREA...]`; with names, others stay as they were
 * recorded.
 */

import { answered, casesOf } from "../test/contract/apiserver/transcripts/cases.ts";
import { record } from "../test/contract/apiserver/transcripts/recorder.ts";
import { readRecording, writeRecording } from "../test/contract/apiserver/transcripts/recording.ts";
import { startTheirs } from "../test/contract/apiserver/transcripts/servers.ts";

const wanted = process.argv.slice(2);
const recording = readRecording();
const upstream = await startTheirs();
try {
  for (const testCase of casesOf(recording)) {
    const names = [testCase.name, testCase.name.split(":")[0]!];
    if (wanted.length > 0 && !names.some((name) => wanted.includes(name))) continue;
    recording.set(testCase.name, answered(testCase, await record(testCase, upstream)));
  }
} finally {
  // A case that fails does not lose those before it.
  writeRecording(recording);
  await upstream.close();
}
