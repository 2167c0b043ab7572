import { existsSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  ETCD_36_PROGRAM,
  ETCD_PROGRAM,
  type Implementation,
  served,
  threeMembers,
  upstream,
  upstream36,
} from "./implementations.ts";
import { recordedIn } from "./recorded.ts";
import { type Cases, watchBoundsCases } from "./watch-bounds-cases.ts";

const recorded = recordedIn<Cases>("watch-bounds.json");

async function casesOf({ start }: Implementation): Promise<Cases> {
  const running = await start();
  try {
    return await watchBoundsCases(running);
  } finally {
    await running.stop();
  }
}

describe("watches from the first and last revisions, and with the first and last ids", () => {
  test.each([
    ["one member", served],
    ["a follower of three", threeMembers],
  ])("%s", async (_name, implementation) => {
    expect(await casesOf(implementation)).toEqual(recorded.read());
  });

  test.runIf(existsSync(ETCD_PROGRAM))("etcd", async () => {
    expect(await casesOf(upstream)).toEqual(recorded.read());
  });
});

test.runIf(existsSync(ETCD_36_PROGRAM))("etcd 3.6 says what is recorded", async () => {
  const cases = await casesOf(upstream36);
  recorded.check(cases);
});
