/**
 * Records what upstream's kube-apiserver answers to the stories of test/contract/apiserver/stories,
 * where a test compares ours. Use: `npm run peers -- etcd kube-apiserver`, then
 * `node scripts/record-stories.ts [STORY...]`; with names, others stay as they were recorded.
 */
import { readRecording, writeRecording } from "../test/contract/apiserver/stories/recording.ts";
import { startTheirs } from "../test/contract/apiserver/stories/servers.ts";
import { STORIES } from "../test/contract/apiserver/stories/told/all.ts";
import { tell } from "../test/contract/apiserver/stories/teller.ts";

const wanted = process.argv.slice(2);
const chosen = STORIES.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
const recorded = wanted.length === 0 ? {} : readRecording();
const upstream = await startTheirs();
try {
  for (const story of chosen) recorded[story.name] = await tell(story, upstream);
  writeRecording(recorded);
} finally {
  await upstream.close();
}
