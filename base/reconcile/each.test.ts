import { expect, test } from "vitest";
import { forEach } from "./each.ts";

const failing = (names: readonly string[]) => async (name: string) => {
  if (names.includes(name)) throw new Error(`${name} is held`);
};

test("acts on all, and throws the one failure as it is", async () => {
  const seen: string[] = [];
  const act = async (name: string) => {
    seen.push(name);
    await failing(["a"])(name);
  };
  await expect(forEach(["a", "b"], act)).rejects.toThrow(/^a is held$/);
  expect(seen).toEqual(["a", "b"]);
});

test("says how many failed", async () => {
  await expect(forEach(["a", "b", "c"], failing(["a", "c"]))).rejects.toMatchObject({
    code: "SeveralFailed",
    message: "2 failed, the first one: a is held",
  });
});
