/**
 * Records what upstream's kube-apiserver answers to the cases of
 * test/contract/apiserver/transcripts, where a test compares ours. Use:
 * `npm run peers -- etcd kube-apiserver`, then `node scripts/record-transcripts.ts [CASE...]`; with
 * names, others stay as they were recorded.
 */
import { readRecording, writeRecording } from "../test/contract/apiserver/transcripts/recording.ts";
import { startTheirs } from "../test/contract/apiserver/transcripts/servers.ts";
import { CASES } from "../test/contract/apiserver/transcripts/cases/all.ts";
import { record } from "../test/contract/apiserver/transcripts/recorder.ts";

const wanted = process.argv.slice(2);
const chosen = CASES.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
const recorded = wanted.length === 0 ? {} : readRecording();
const upstream = await startTheirs();
try {
  for (const testCase of chosen) recorded[testCase.name] = await record(testCase, upstream);
  writeRecording(recorded);
} finally {
  await upstream.close();
}
