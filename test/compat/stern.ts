import { join } from "node:path";
import type { Place, Program } from "./program.ts";

const STERN = join(import.meta.dirname, "../../.peers/bin/stern");
const SAID = join(import.meta.dirname, "testdata/stern.yaml");
const OUTPUT = ["--color=never", "--only-log-lines"];
const POD = '--template={{.PodName}}{{"\\n"}}';
const TIMEOUT = "--timeout=120s";
const TIMEOUT_s = 120;

/** Returns the first `count` lines that it prints while it follows logs. */
async function followed(place: Place, count: number, ...words: string[]): Promise<string[]> {
  const follow = `exec 3< <(exec "$@" 2> /dev/null); timeout ${TIMEOUT_s} head -n ${count} <&3`;
  const called = ["-c", `${follow}; kill $!`, "bash", STERN, ...OUTPUT, ...words];
  return linesOf(await place.run("/bin/bash", ...called));
}

const linesOf = (text: string): string[] => text.trim().split("\n");

function mustDiffer(lines: readonly string[], count: number): void {
  if (new Set(lines).size !== count) throw new Error(`not ${count} different: ${lines.join("; ")}`);
}

/** stern: the logs of many pods together, which it finds by watching them. */
export const stern: Program = {
  name: "stern",
  version: "v1.33.1",
  needs: ["stern"],
  uses: [
    {
      use: "print what the init containers of a Deployment's pods said",
      async run(place) {
        await place.kubectl("apply", "--server-side", "-f", SAID);
        const made = "--for=jsonpath={.status.updatedReplicas}=2";
        await place.kubectl("wait", made, "deployment/said", TIMEOUT);
        const started = "--for=jsonpath={.status.containerStatuses[0].started}=true";
        await place.kubectl("wait", started, "pods", "-l", "app=said", TIMEOUT);
        const found = ["deployment/said", "--container=first", "--no-follow", POD, ...OUTPUT];
        mustDiffer(linesOf(await place.run("stern", ...found)), 2);
      },
    },
    {
      use: "follow pods by a label, and read the fields of what they say",
      async run(place) {
        const count = '--template={{(.Message | parseJSON).count}}{{"\\n"}}';
        const what = ["--selector=app=said", "--container=counted", "--tail=0", count];
        const lines = await followed(place, 6, ...what);
        if (!lines.every((line) => /^\d+$/.test(line))) throw new Error(lines.join("; "));
      },
    },
    {
      use: "follow containers that end into their next runs",
      async run(place) {
        mustDiffer(await followed(place, 5, "said", "--container=ends", "--output=raw"), 5);
      },
    },
    {
      use: "follow the pods of a rollout, which come meanwhile",
      async run(place) {
        const pods = followed(place, 2, "--selector=round=second", "--container=first", POD);
        const template = { metadata: { labels: { round: "second" } } };
        const patch = JSON.stringify({ spec: { template } });
        await place.kubectl("patch", "deployment", "said", "-p", patch);
        mustDiffer(await pods, 2);
        await place.kubectl("delete", "-f", SAID, TIMEOUT);
      },
    },
  ],
};
