/**
 * Compares how our apiserver answers to valid and to wrong objects with what upstream's
 * kube-apiserver answered, and writes the table in docs/FEATURES.md.
 *
 *     node scripts/answers.ts [KIND...]     prints what differs, of these kinds or of none
 *     node scripts/answers.ts --record      asks upstream first and writes the golden answers;
 *                                           needs `npm run peers -- kube-apiserver` and etcd
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Subject, subjects } from "../test/contract/apiserver/answers/cases.ts";
import {
  type Difference,
  differences,
  shares,
} from "../test/contract/apiserver/answers/compare.ts";
import { readGolden, writeGolden } from "../test/contract/apiserver/answers/golden.ts";
import { type Answer, judge } from "../test/contract/apiserver/answers/judge.ts";
import { askOurs } from "../test/contract/apiserver/answers/ours.ts";
import { tableOf, writeTable } from "../test/contract/apiserver/answers/table.ts";
import { startUpstream } from "../testing/apiserver/upstream-apiserver.ts";

const PEER = join(import.meta.dirname, "../.peers/bin/kube-apiserver");
const CACHE = join(import.meta.dirname, "../.cache");
/** Whole objects as upstream would store them, to look at: too large to be committed. */
const OBJECTS = join(CACHE, "answers-upstream.json");

async function record(all: readonly Subject[]): Promise<void> {
  const upstream = await startUpstream(PEER);
  try {
    const answers = await judge(all, upstream.send);
    writeGolden(answers);
    mkdirSync(CACHE, { recursive: true });
    writeFileSync(OBJECTS, JSON.stringify(Object.fromEntries(answers)));
  } finally {
    await upstream.close();
  }
}

function print(differing: readonly Difference[]): void {
  const known = existsSync(OBJECTS)
    ? (JSON.parse(readFileSync(OBJECTS, "utf8")) as Record<string, Answer>)
    : {};
  for (const { id, ours, upstream } of differing) {
    const whole = known[id] ?? upstream;
    process.stdout.write(
      `${id}\n  ours:     ${JSON.stringify(ours)}\n  upstream: ${JSON.stringify(whole)}\n`,
    );
  }
}

const words = process.argv.slice(2);
const all = subjects();
if (words.includes("--record")) await record(all);
const golden = readGolden();
const differing = differences(all, await askOurs(all), golden);
print(
  differing.filter(
    ({ schema }) => words.includes(schema) || words.includes(schema.slice(schema.indexOf(".") + 1)),
  ),
);
const table = tableOf(shares(all, differing, golden));
writeTable(table);
process.stdout.write(table);
