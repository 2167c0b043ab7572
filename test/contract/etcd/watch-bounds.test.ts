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
import { type Story, watchBoundsStory } from "./watch-bounds-story.ts";

/** What etcd 3.6.5 answered: `R2K_RECORD=1` writes it anew, where the built peer is. */
const RECORDED = join(import.meta.dirname, "recorded/watch-bounds.json");

async function storyOf({ start }: Implementation): Promise<Story> {
  const running = await start();
  try {
    return await watchBoundsStory(running);
  } finally {
    await running.stop();
  }
}

const recorded = () => JSON.parse(readFileSync(RECORDED, "utf8")) as Story;

describe("watches from the first and last revisions, and with the first and last ids", () => {
  test.each([
    ["one member", served],
    ["a follower of three", threeMembers],
  ])("%s", async (_name, implementation) => {
    expect(await storyOf(implementation)).toEqual(recorded());
  });

  test.runIf(existsSync(ETCD_PROGRAM))("etcd", async () => {
    expect(await storyOf(upstream)).toEqual(recorded());
  });
});

test.runIf(existsSync(ETCD_36_PROGRAM))("etcd 3.6 says what is recorded", async () => {
  const story = await storyOf(upstream36);
  if (process.env.R2K_RECORD === "1") {
    writeFileSync(RECORDED, `${JSON.stringify(story, undefined, 1)}\n`);
  }
  expect(story).toEqual(recorded());
});
