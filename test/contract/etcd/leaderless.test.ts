import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ETCD_36_PROGRAM } from "./implementations.ts";
import { leaderlessCases } from "./leaderless-cases.ts";
import { type ThreeMembers, threeEtcds, threeOfOurs } from "./three-members.ts";

/** Answers of etcd 3.6.5: `R2K_RECORD=1` records it again, where the built peer is. */
const RECORDED = join(import.meta.dirname, "recorded/leaderless.json");
const REPORTED_MS = 180_000;

async function casesOf(starting: Promise<ThreeMembers>): Promise<Record<string, string>> {
  const members = await starting;
  try {
    return await leaderlessCases(members);
  } finally {
    await members.stop();
  }
}

const recorded = () => JSON.parse(readFileSync(RECORDED, "utf8")) as Record<string, string>;

describe("a member that has lost its leader", () => {
  test("answers as etcd's, with and without hasleader", async () => {
    expect(await casesOf(threeOfOurs())).toEqual(recorded());
  }, REPORTED_MS);
});

test.runIf(existsSync(ETCD_36_PROGRAM))("etcd 3.6 says what is recorded", async () => {
  const cases = await casesOf(threeEtcds(ETCD_36_PROGRAM));
  if (process.env.R2K_RECORD === "1") {
    writeFileSync(RECORDED, `${JSON.stringify(cases, undefined, 1)}\n`);
  }
  expect(cases).toEqual(recorded());
}, REPORTED_MS);
