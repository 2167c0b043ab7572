/**
 * Prints where our apiserver answers otherwise than upstream's did when it was recorded. Use:
 * `node scripts/compare-stories.ts [STORY...]`.
 */
import { differences } from "../test/contract/apiserver/stories/differences.ts";
import { readRecording } from "../test/contract/apiserver/stories/recording.ts";
import { startOurs } from "../test/contract/apiserver/stories/servers.ts";
import { STORIES } from "../test/contract/apiserver/stories/told/all.ts";
import { tell } from "../test/contract/apiserver/stories/teller.ts";

const wanted = process.argv.slice(2);
const recording = readRecording();
const ours = await startOurs();
let differing = 0;
let all = 0;
try {
  for (const story of STORIES) {
    if (wanted.length > 0 && !wanted.some((word) => story.name.includes(word))) continue;
    const told = await tell(story, ours);
    for (const [index, each] of told.entries()) {
      const found = differences(recording[story.name]?.[index], each);
      all += 1;
      if (found.length === 0) continue;
      differing += 1;
      process.stdout.write(`${story.name} | ${each.ask}\n`);
      for (const line of found) process.stdout.write(`    ${line}\n`);
    }
  }
} finally {
  await ours.close();
}
process.stdout.write(`${differing} of ${all} answers differ\n`);
