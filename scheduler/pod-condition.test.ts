import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { nextTurn } from "@raft2kube/std/slices.ts";
import { expect, onTestFinished, test } from "vitest";
import { CONDITION_WRITERS } from "./limits.ts";
import { PodConditions } from "./pod-condition.ts";
import { pod } from "./testing/objects.ts";

/** Conditions of pods over an API whose answers the test gives. */
function conditionsOf(given: readonly Pod[]) {
  const all = new Map(given.map((one) => [one.metadata.name, one]));
  const sent: { text: string; answer(): void }[] = [];
  const conditions = new PodConditions({
    pods: {
      patch: ({ name }, _type, patch) => {
        const [condition] = (patch as Pod).status?.conditions ?? [];
        const text = `${name}: ${condition?.message}`;
        return new Promise((resolve) =>
          sent.push({ text, answer: () => resolve(all.get(name) ?? pod(name)) }),
        );
      },
    },
    clock: new ManualClock(),
    current: ({ metadata }) => all.get(metadata.name),
  });
  onTestFinished(async () => {
    const closed = conditions.close();
    for (const { answer } of sent) answer();
    await closed;
  });
  const texts = () => sent.map(({ text }) => text);
  return { conditions, sent, texts, all };
}

test("of many pods without a node a few conditions are written at once", async () => {
  const pods = Array.from({ length: 100 }, (_, n) => pod(`p${n}`));
  const { conditions, sent } = conditionsOf(pods);
  for (const each of pods) conditions.notScheduled(each, "Unschedulable", "full");
  const most = CONDITION_WRITERS / 2;
  await expect.poll(() => sent).toHaveLength(most);
  sent[0]!.answer();
  await expect.poll(() => sent).toHaveLength(most + 1);
});

test("of a pod's reasons the newest is written, after the one under way", async () => {
  const p = pod("p");
  const { conditions, sent, texts } = conditionsOf([p]);
  conditions.notScheduled(p, "Unschedulable", "first");
  await expect.poll(() => sent).toHaveLength(1);
  conditions.notScheduled(p, "Unschedulable", "second");
  conditions.notScheduled(p, "Unschedulable", "third");
  sent[0]!.answer();
  await expect.poll(texts).toEqual(["p: first", "p: third"]);
});

test("a binding waits for the write under way, and drops what was not written", async () => {
  const [p, q] = [pod("p"), pod("q")];
  const { conditions, sent, texts } = conditionsOf([p, q]);
  conditions.notScheduled(p, "Unschedulable", "first");
  await expect.poll(() => sent).toHaveLength(1);
  conditions.notScheduled(p, "Unschedulable", "second");
  const order: string[] = [];
  const withdrawn = conditions.withdraw(p).then(() => order.push("withdrawn"));
  await nextTurn();
  order.push("answered");
  sent[0]!.answer();
  await withdrawn;
  expect(order).toEqual(["answered", "withdrawn"]);
  conditions.notScheduled(q, "Unschedulable", "full");
  await expect.poll(() => sent).toHaveLength(2);
  expect(texts()).toEqual(["p: first", "q: full"]);
});

test("nothing is written about a pod that has a node or is deleted meanwhile", async () => {
  const pods = ["bound", "deleted", "open"].map((name) => pod(name));
  const { conditions, sent, texts, all } = conditionsOf(pods);
  all.set("bound", pod("bound", { nodeName: "n" }));
  all.delete("deleted");
  for (const each of pods) conditions.notScheduled(each, "Unschedulable", "full");
  await expect.poll(() => sent).toHaveLength(1);
  expect(texts()).toEqual(["open: full"]);
});
