import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { LabelSelector } from "@raft2kube/api/gen/meta/v1.ts";
import type { PodDisruptionBudget } from "@raft2kube/api/gen/policy/v1.ts";
import { InformerCopy } from "@raft2kube/client-kube/informer/copy.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { expect, test } from "vitest";
import { byNamespace, NAMESPACE_INDEX } from "../indexes.ts";
import { watchPods } from "./disruption.ts";

/** The budgets that are looked at, and the messages of events, after changes of pods. */
function watched(...all: [name: string, selector: LabelSelector][]) {
  const [pods, budgets] = [new InformerCopy<Pod>(), new InformerCopy<PodDisruptionBudget>()];
  budgets.index(NAMESPACE_INDEX, byNamespace);
  budgets.replace(
    all.map(([name, selector]) => ({ metadata: { namespace: "n", name }, spec: { selector } })),
  );
  const [looks, messages] = [[] as string[], [] as string[]];
  watchPods(
    pods as unknown as Informer<Pod>,
    budgets as unknown as Informer<PodDisruptionBudget>,
    { record: (_about, _type, _reason, message) => messages.push(message) },
    (key) => looks.push(key),
  );
  return { pods, looks, messages };
}

let revision = 0;
const pod = (name: string, app = "a"): Pod => ({
  metadata: {
    ...{ namespace: "n", name, uid: name, labels: { app } },
    resourceVersion: String(++revision),
  },
  spec: { containers: [] },
});

test("each budget of pods is looked at, and the event about several names ten of them", async () => {
  const all = Array.from({ length: 1_000 }, (_, at): [string, LabelSelector] => [`${at}`, {}]);
  const { pods, looks, messages } = watched(...all);
  pods.replace([pod("a"), pod("b")]);
  await expect.poll(() => messages).toHaveLength(2);
  expect(new Set(looks).size).toBe(1_000);
  const listed = expect.stringMatching(/: n\/0, n\/1, .*, n\/9, 990 more$/);
  expect(messages).toEqual([listed, listed]);
  looks.length = 0;
  pods.replace([]);
  await expect.poll(() => new Set(looks).size).toBe(1_000);
});

test("a pod has several budgets only if they all select its present labels", async () => {
  const select = (app: string): LabelSelector => ({ matchLabels: { app } });
  const { pods, looks, messages } = watched(["a", select("a")], ["b", select("b")]);
  pods.replace([pod("moves")]);
  pods.apply({ type: "MODIFIED", object: pod("moves", "b") });
  await expect.poll(() => looks).toEqual(["n/a", "n/a", "n/b"]);
  const short = pod("short");
  pods.apply({ type: "ADDED", object: short });
  pods.apply({ type: "DELETED", object: short });
  await expect.poll(() => looks.slice(3)).toEqual(["n/a", "n/a"]);
  expect(messages).toEqual([]);
});
