import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { PodDisruptionBudget } from "@raft2kube/api/gen/policy/v1.ts";
import { InformerCopy } from "@raft2kube/client-kube/informer/copy.ts";
import type { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { expect, test, vi } from "vitest";
import { byNamespace, NAMESPACE_INDEX } from "../indexes.ts";
import { watchPods } from "./disruption.ts";

test("each budget of pods is looked at, and the event about several names ten of them", async () => {
  const [pods, budgets] = [new InformerCopy<Pod>(), new InformerCopy<PodDisruptionBudget>()];
  budgets.index(NAMESPACE_INDEX, byNamespace);
  const names = Array.from({ length: 1_000 }, (_, at) => `${at}`);
  const spec = { selector: {} };
  budgets.replace(names.map((name) => ({ metadata: { namespace: "n", name }, spec })));
  const [looks, messages] = [new Set<string>(), [] as string[]];
  watchPods(
    pods as unknown as Informer<Pod>,
    budgets as unknown as Informer<PodDisruptionBudget>,
    { record: (_about, _type, _reason, message) => messages.push(message) },
    (key) => looks.add(key),
  );
  const pod = (name: string) => ({ metadata: { namespace: "n", name }, spec: { containers: [] } });
  pods.replace([pod("a"), pod("b")]);
  await vi.waitFor(() => expect(messages).toHaveLength(2));
  expect(looks.size).toBe(1_000);
  const listed = expect.stringMatching(/: n\/0, n\/1, .*, n\/9, 990 more$/);
  expect(messages).toEqual([listed, listed]);
  looks.clear();
  pods.replace([]);
  await vi.waitFor(() => expect(looks.size).toBe(1_000));
});
