import type { Owner } from "@raft2kube/std/shares.ts";
import { describe, expect, it } from "vitest";
import {
  ANSWER_SMALL_BYTES,
  ANSWERS_WAITING_MAX,
  SMALL_ANSWERS_BYTES_MAX,
  STREAM_BYTES,
} from "../../limits.ts";
import { ResponseBudget } from "./response-budget.ts";

describe("the budget of large answers", () => {
  const big = ANSWER_SMALL_BYTES + 1;
  const signal = new AbortController().signal;
  const admin: Owner = { name: "admin", may: "all" };
  const [a, b, c] = ["a", "b", "c"].map((name): Owner => ({ name }));

  /** Takes room; `taken` has the names of those that got it. */
  function budgetOf(answers: number) {
    const budget = new ResponseBudget(answers * big);
    const taken: string[] = [];
    const take = async (name: string, owner = admin, bytes = big, until = signal) => {
      const give = await budget.take(owner, bytes, until);
      taken.push(name);
      return give!;
    };
    const settled = () => new Promise<void>((resolve) => setImmediate(resolve));
    return { budget, taken, take, settled };
  }

  it("is given in the order it was asked for, and small ones need none", async () => {
    const { taken, take, settled } = budgetOf(2);
    const gives = [await take("1"), await take("2")];
    const third = take("large", admin, 2 * big);
    const fourth = take("after it");
    await take("small", admin, ANSWER_SMALL_BYTES);
    gives[0]!();
    gives[0]!();
    await settled();
    expect(taken).toEqual(["1", "2", "small"]);
    gives[1]!();
    (await third)();
    (await fourth)();
    expect(taken.slice(3)).toEqual(["large", "after it"]);
  });

  it("is given to one that is larger than all of it, alone", async () => {
    const { budget, take } = budgetOf(1);
    (await take("larger", admin, 10 * big))();
    (await take("next"))();
    expect(budget.bytes).toBe(0);
  });

  it("is not kept for a client that disconnected while waiting", async () => {
    const { take } = budgetOf(1);
    const give = await take("first");
    const gone = new AbortController();
    const waited = take("gone", admin, big, gone.signal);
    const next = take("next");
    gone.abort();
    await expect(waited).rejects.toMatchObject({ http: 429 });
    give();
    (await next)();
  });

  it("is shared by users: one that has used its part delays no other", async () => {
    const { budget, taken, take, settled } = budgetOf(8);
    const gives = [await take("a", a), await take("a", a)];
    const waiting = Array.from({ length: ANSWERS_WAITING_MAX }, () => take("a later", a));
    expect([budget.isFull(a!), budget.isFull(b!), budget.isFull(admin)]).toEqual([
      true,
      false,
      false,
    ]);
    await expect(take("a too many", a)).rejects.toMatchObject({ http: 429 });
    gives.push(await take("b", b), await take("b", b), await take("c", c), await take("c", c));
    // The rest is the reserve.
    const late = take("d", { name: "d" });
    gives.push(await take("node", { name: "node", may: "reserve" }));
    await settled();
    expect(taken).toEqual(["a", "a", "b", "b", "c", "c", "node"]);
    gives[2]!();
    (await late)();
    for (const give of gives) give();
    for (const each of waiting) (await each)();
  });

  it("bounds the small answers that one user does not read", async () => {
    const { budget, take } = budgetOf(1);
    const each = ANSWER_SMALL_BYTES + STREAM_BYTES;
    for (let n = 0; n < Math.floor(SMALL_ANSWERS_BYTES_MAX / each); n++) {
      await take("small", a, ANSWER_SMALL_BYTES);
    }
    expect(await budget.take(a!, ANSWER_SMALL_BYTES, signal)).toBeUndefined();
    await take("small", b, ANSWER_SMALL_BYTES);
  });
});
