/**
 * Records the responses of upstream's kube-apiserver for golden tests: the fields' owners after
 * each step of `managed-fields/sequences.ts`, and admission's verdicts on `admission/all-cases.ts`
 * (both in apiserver/testing/golden). Use:
 * `npm run peers -- kube-apiserver`, then `node scripts/record-apiserver.ts` (needs etcd as well).
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { CASES } from "@raft2kube/apiserver/testing/golden/admission/all-cases.ts";
import type { Case } from "@raft2kube/apiserver/testing/golden/admission/cases.ts";
import {
  EXEMPT_CASES,
  EXEMPT_CONFIG,
} from "@raft2kube/apiserver/testing/golden/admission/exempt-cases.ts";
import { judge } from "@raft2kube/apiserver/testing/golden/admission/record.ts";
import { play } from "@raft2kube/apiserver/testing/golden/managed-fields/record.ts";
import { SEQUENCES } from "@raft2kube/apiserver/testing/golden/managed-fields/sequences.ts";
import type { SendJson } from "../testing/apiserver/send-json.ts";
import { startUpstream } from "../testing/apiserver/upstream-apiserver.ts";

const APISERVER_DIR = join(import.meta.dirname, "../apiserver");
const PEER = join(import.meta.dirname, "../.peers/bin/kube-apiserver");

function write(file: string, recorded: Readonly<Record<string, unknown>>): void {
  const lines = Object.entries(recorded).map(
    ([name, outcomes]) => `${JSON.stringify(name)}: ${JSON.stringify(outcomes)}`,
  );
  writeFileSync(join(APISERVER_DIR, "testing/golden", file), `{\n${lines.join(",\n")}\n}\n`);
}

/** Starts upstream's server with flags, records from it, and ends it. */
async function recordFrom(
  flags: Readonly<Record<string, string>>,
  record: (send: SendJson) => Promise<void>,
): Promise<void> {
  const upstream = await startUpstream(PEER, flags);
  try {
    await record(upstream.send);
  } finally {
    await upstream.close();
  }
}

async function verdicts(cases: readonly Case[], send: SendJson) {
  const recorded: Record<string, unknown> = {};
  for (const testCase of cases) recorded[testCase.name] = await judge(testCase, send);
  return recorded;
}

await recordFrom({}, async (send) => {
  const owners: Record<string, unknown> = {};
  for (const sequence of SEQUENCES) owners[sequence.name] = await play(sequence, send);
  write("managed-fields/upstream.json", owners);
  write("admission/upstream.json", await verdicts(CASES, send));
});
await recordFrom({ "admission-control-config-file": EXEMPT_CONFIG }, async (send) => {
  write("admission/upstream-exempt.json", await verdicts(EXEMPT_CASES, send));
});
