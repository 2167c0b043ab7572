import { nextTurn } from "@raft2kube/std/slices.ts";
import { expect, test } from "vitest";
import { budgetAmong } from "./disruption-budget.ts";

/** A budget of a megabyte. */
const large = (name: string, app: string): Buffer =>
  Buffer.from(
    JSON.stringify({
      metadata: { name, annotations: { large: "x".repeat(1_000_000) } },
      spec: { selector: { matchLabels: { app } } },
    }),
  );

function* budgets(apps: readonly string[], read: string[]): Generator<Buffer> {
  for (const [index, app] of apps.entries()) {
    read.push(app);
    yield large(`b${index}`, app);
  }
}

test("budgets are read in several turns of the event loop", async () => {
  const read: string[] = [];
  const found = budgetAmong(budgets(["web", ...Array<string>(100).fill("db")], read), {
    app: "web",
  });
  await nextTurn();
  expect(read.length).toBeLessThan(101);
  expect((await found)?.metadata.name).toBe("b0");
  expect(read).toHaveLength(101);
});

test("none is read after the second that matches", async () => {
  const read: string[] = [];
  const found = budgetAmong(budgets(["db", "web", "web", "web"], read), { app: "web" });
  await expect(found).rejects.toThrow("more than one PodDisruptionBudget");
  expect(read).toEqual(["db", "web", "web"]);
});

test("no budget is found where none matches", async () => {
  expect(await budgetAmong(budgets(["db"], []), { app: "web" })).toBeUndefined();
});
