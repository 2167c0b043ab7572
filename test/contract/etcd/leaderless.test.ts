import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { ETCD_36_PROGRAM, ETCD_PROGRAM } from "./implementations.ts";
import { type Cases, leaderlessCases, titled } from "./leaderless-cases.ts";
import { leaderlessMemberCases } from "./leaderless-member-cases.ts";
import { recordedIn } from "./recorded.ts";
import { type ThreeMembers, threeEtcds, threeOfOurs } from "./three-members.ts";

const RECORDED = recordedIn<Cases>("leaderless.json");
/** Answers of etcd 3.4 and 3.6.5 to changes of members. */
const MEMBERS_RECORDED = recordedIn<Cases>("leaderless-members.json");

async function casesOf(
  starting: Promise<ThreeMembers>,
  judge: (members: ThreeMembers) => Promise<Cases>,
): Promise<Cases> {
  const members = await starting;
  try {
    return await judge(members);
  } finally {
    await members.stop();
  }
}

/** Cases with and without the check of etcd's `--strict-reconfig-check`. */
async function memberCasesOf(start: (strict: boolean) => Promise<ThreeMembers>): Promise<Cases> {
  const [strict, loose] = await Promise.all([
    casesOf(start(true), leaderlessMemberCases),
    casesOf(start(false), leaderlessMemberCases),
  ]);
  return { ...titled("strict", strict), ...titled("loose", loose) };
}

const ofEtcd = (program: string) =>
  memberCasesOf((strict) => threeEtcds(program, [`--strict-reconfig-check=${strict}`]));

describe("a member that has lost its leader", () => {
  test("answers as etcd's, with and without hasleader", async () => {
    expect(await casesOf(threeOfOurs(), leaderlessCases)).toEqual(RECORDED.read());
  });

  test("answers changes of members at once where etcd does, and waits where it does", async () => {
    const cases = await memberCasesOf((strict) => threeOfOurs({ looseReconfiguration: !strict }));
    expect(cases).toEqual(MEMBERS_RECORDED.read());
  });
});

describe.runIf(existsSync(ETCD_36_PROGRAM))("etcd 3.6 says what is recorded", () => {
  test("without a leader", async () => {
    const cases = await casesOf(threeEtcds(ETCD_36_PROGRAM), leaderlessCases);
    RECORDED.check(cases);
  });

  test("of changes of members without a leader", async () => {
    const cases = await ofEtcd(ETCD_36_PROGRAM);
    MEMBERS_RECORDED.check(cases);
  });
});

test("etcd 3.4 says the same of changes of members", async () => {
  expect(await ofEtcd(ETCD_PROGRAM)).toEqual(MEMBERS_RECORDED.read());
});
