import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, it } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import { FollowedFile, fixed } from "./followed-file.ts";
import { FILE_RELOAD_MS } from "./limits.ts";

/** A file of numbers, and the log of what became of it. */
async function numbers() {
  const clock = new ManualClock();
  const state = { text: "1", reads: 0, errors: 0 };
  const file = await FollowedFile.follow({
    clock,
    what: "the number",
    log: {
      info: () => undefined,
      error: () => {
        state.errors++;
      },
    },
    read: () => {
      state.reads++;
      return Promise.resolve(state.text);
    },
    parse(text) {
      const value = Number(text);
      if (Number.isNaN(value)) throw new TypeError(`no number: ${text}`);
      return value;
    },
  });
  /** Writes a text, and waits until it was looked at and the next look is due. */
  const write = async (text: string) => {
    const before = state.reads;
    state.text = text;
    await waitFor("two looks", () => {
      clock.advance(FILE_RELOAD_MS);
      return state.reads >= before + 2;
    });
  };
  return { file, state, write };
}

it("a changed file is read again, and its value replaced once listeners took it", async () => {
  const { file, write } = await numbers();
  const seen: [number, number][] = [];
  file.onChange((next) => void seen.push([file.current, next]));
  await write("1");
  expect(seen).toEqual([]);
  await write("2");
  expect(seen).toEqual([[1, 2]]);
  expect([file.current, file.text, file.reloads.success.count]).toEqual([2, "2", 1]);
  await file.close();
});

it("one that makes no sense, or that a listener refuses, changes nothing", async () => {
  const { file, state, write } = await numbers();
  file.onChange((next) => {
    if (next === 13) throw new RangeError("unlucky");
  });
  await write("x");
  expect([file.current, state.errors, file.reloads.failure.count]).toEqual([1, 1, 1]);
  await write("13");
  expect([file.current, file.text, state.errors]).toEqual([1, "1", 2]);
  await write("3");
  expect([file.current, state.errors]).toEqual([3, 2]);
  await file.close();
  const { reads } = state;
  await expect(waitFor("a look", () => state.reads > reads, { timeout_ms: 50 })).rejects.toThrow();
});

it("a file that makes no sense at first is refused, and a fixed value stays", async () => {
  const refused = FollowedFile.follow({
    clock: new ManualClock(),
    what: "it",
    log: { info: () => undefined, error: () => undefined },
    read: () => Promise.resolve("x"),
    parse: () => {
      throw new TypeError("no");
    },
  });
  await expect(refused).rejects.toThrow("no");
  expect(fixed(7)).toMatchObject({ current: 7, text: "", reloads: undefined });
});
