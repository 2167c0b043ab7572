/**
 * Records how upstream's kube-apiserver answers, where tests of ours compare: who owns which fields
 * after each step of apiserver/patch/apply/golden/sequences.ts, and what admission says to
 * apiserver/admission/golden/cases.ts. Use: `npm run peers -- kube-apiserver`, then
 * `node scripts/record-apiserver.ts` (needs etcd as well).
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { SCENES } from "@raft2kube/apiserver/admission/golden/cases.ts";
import { judge } from "@raft2kube/apiserver/admission/golden/record.ts";
import { play } from "@raft2kube/apiserver/patch/apply/golden/record.ts";
import { SEQUENCES } from "@raft2kube/apiserver/patch/apply/golden/sequences.ts";
import { startUpstream } from "@raft2kube/apiserver/testing/upstream-apiserver.ts";

const ROOM = join(import.meta.dirname, "../apiserver");
const PEER = join(import.meta.dirname, "../.peers/bin/kube-apiserver");

function write(file: string, recorded: Readonly<Record<string, unknown>>): void {
  const lines = Object.entries(recorded).map(
    ([name, outcomes]) => `${JSON.stringify(name)}: ${JSON.stringify(outcomes)}`,
  );
  writeFileSync(join(ROOM, file), `{\n${lines.join(",\n")}\n}\n`);
}

const upstream = await startUpstream(PEER);
try {
  const owners: Record<string, unknown> = {};
  for (const sequence of SEQUENCES) owners[sequence.name] = await play(sequence, upstream.send);
  const verdicts: Record<string, unknown> = {};
  for (const scene of SCENES) verdicts[scene.name] = await judge(scene, upstream.send);
  write("patch/apply/golden/upstream.json", owners);
  write("admission/golden/upstream.json", verdicts);
} finally {
  await upstream.close();
}
