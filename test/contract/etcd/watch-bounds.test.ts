import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
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
import { type Cases, watchBoundsCases } from "./watch-bounds-cases.ts";

/** Answers of etcd 3.6.5: `R2K_RECORD=1` records it again, where the built peer is. */
const RECORDED = join(import.meta.dirname, "recorded/watch-bounds.json");

async function casesOf({ start }: Implementation): Promise<Cases> {
  const running = await start();
  try {
    return await watchBoundsCases(running);
  } finally {
    await running.stop();
  }
}

const recorded = () => JSON.parse(readFileSync(RECORDED, "utf8")) as Cases;

describe("watches from the first and last revisions, and with the first and last ids", () => {
  test.each([
    ["one member", served],
    ["a follower of three", threeMembers],
  ])("%s", async (_name, implementation) => {
    expect(await casesOf(implementation)).toEqual(recorded());
  });

  test.runIf(existsSync(ETCD_PROGRAM))("etcd", async () => {
    expect(await casesOf(upstream)).toEqual(recorded());
  });
});

test.runIf(existsSync(ETCD_36_PROGRAM))("etcd 3.6 says what is recorded", async () => {
  const cases = await casesOf(upstream36);
  if (process.env.R2K_RECORD === "1") {
    writeFileSync(RECORDED, `${JSON.stringify(cases, undefined, 1)}\n`);
  }
  expect(cases).toEqual(recorded());
});
