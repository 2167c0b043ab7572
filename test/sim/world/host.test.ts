import { expect, test } from "vitest";
import { Timeline } from "../../../testing/timeline.ts";
import { Host } from "./host.ts";

function hostWithOperations() {
  const timeline = new Timeline();
  const host = new Host(timeline, 1);
  const ended: string[] = [];
  const operate = (name: string, delay_ms: number) => {
    const act = () => ended.push(`${name} at ${timeline.now_ms}`);
    host.operate(delay_ms, act, host.generation);
  };
  operate("stalled", 6_000);
  operate("short", 10);
  operate("slow", 400);
  const until = (end_ms: number) => {
    let at = false;
    timeline.after(end_ms - timeline.now_ms, () => (at = true));
    while (!at) timeline.step();
  };
  return { timeline, host, ended, until };
}

test("operations that are under way when the faults end go on no longer, each once", () => {
  const { host, ended, until } = hostWithOperations();
  until(100);
  host.endOperations();
  host.endOperations();
  until(10_000);
  expect(ended).toEqual(["short at 10", "stalled at 100", "slow at 100"]);
});

test("operations of a paused host end once it is resumed", () => {
  const { host, ended, until } = hostWithOperations();
  host.pause();
  until(100);
  host.endOperations();
  until(200);
  expect(ended).toEqual([]);
  host.resume();
  expect(ended).toEqual(["stalled at 200", "short at 200", "slow at 200"]);
});

test("operations of a life that has ended never happen", () => {
  const { host, ended, until } = hostWithOperations();
  host.end();
  host.endOperations();
  until(10_000);
  expect(ended).toEqual([]);
});
