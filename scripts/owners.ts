/**
 * Records who owns which fields after each step of apiserver/patch/apply/golden/sequences.ts on
 * upstream's kube-apiserver. Use: `npm run peers -- kube-apiserver`, then `node scripts/owners.ts`
 * (needs etcd as well).
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { play } from "@raft2kube/apiserver/patch/apply/golden/record.ts";
import { SEQUENCES } from "@raft2kube/apiserver/patch/apply/golden/sequences.ts";
import { startUpstream } from "@raft2kube/apiserver/testing/upstream-apiserver.ts";

const OUTPUT = join(import.meta.dirname, "../apiserver/patch/apply/golden/upstream.json");
const PEER = join(import.meta.dirname, "../.peers/bin/kube-apiserver");

const upstream = await startUpstream(PEER);
try {
  const recorded: Record<string, unknown> = {};
  for (const sequence of SEQUENCES) recorded[sequence.name] = await play(sequence, upstream.send);
  const lines = Object.entries(recorded).map(
    ([name, outcomes]) => `${JSON.stringify(name)}: ${JSON.stringify(outcomes)}`,
  );
  writeFileSync(OUTPUT, `{\n${lines.join(",\n")}\n}\n`);
} finally {
  await upstream.close();
}
