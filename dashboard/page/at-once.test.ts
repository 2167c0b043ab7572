import { expect, it } from "vitest";
import { mapAtOnce } from "./at-once.ts";

it("a few are under way at a time, and a failure is thrown after all", async () => {
  let [running, most] = [0, 0];
  const ended: number[] = [];
  const twice = async (n: number) => {
    most = Math.max(most, ++running);
    for (let turns = 0; turns <= n; turns++) await undefined;
    running--;
    ended.push(n);
    if (n === 2) throw new Error("two");
    return 2 * n;
  };
  expect(await mapAtOnce(3, [9, 1, 5, 0], twice)).toEqual([18, 2, 10, 0]);
  ended.length = 0;
  await expect(mapAtOnce(3, [9, 2, 5, 0], twice)).rejects.toThrow("two");
  expect([most, ended.sort()]).toEqual([3, [0, 2, 5, 9]]);
});
