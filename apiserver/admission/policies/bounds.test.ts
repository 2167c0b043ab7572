import { KINDS } from "@raft2kube/api/kinds.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { OrderedTree } from "@raft2kube/std/ordered-tree.ts";
import { expect, it } from "vitest";
import { POLICY_PARAMS_MAX } from "../../limits.ts";
import type { Entry } from "../../object/entry.ts";
import type { Resources } from "../../resource/resources.ts";
import { prefixOf } from "../../storage/keys.ts";
import type { AdmissionContext } from "../context.ts";
import type { AdmissionRequest } from "../plugin.ts";
import { PolicyDispatch } from "./dispatch.ts";
import { collectParams } from "./params.ts";

it("a binding has so many objects with parameters, and no more", async () => {
  const kind = KINDS.find((each) => each.kind === "ConfigMap")!;
  let state = OrderedTree.empty<Entry>();
  const resource = { kind, cache: () => Promise.resolve({ state }) };
  const resources = { kinds: KINDS, find: () => resource } as unknown as Resources;
  const collect = () =>
    collectParams(resources, { apiVersion: "v1", kind: "ConfigMap" }, { selector: {} }, "default");
  const add = (index: number) =>
    (state = state.set({
      key: `${prefixOf(kind, "default")}${index}`,
      labels: {},
      shared: () => ({ index }),
    } as unknown as Entry));
  for (let i = 0; i < POLICY_PARAMS_MAX; i++) add(i);
  expect(await collect()).toHaveLength(POLICY_PARAMS_MAX);
  add(POLICY_PARAMS_MAX);
  await expect(collect()).rejects.toThrow(
    "paramRef.selector matches more than 1000 objects; narrow it",
  );
});

it("a request that is over has no more evaluations in the thread of large requests", async () => {
  const clock = new ManualClock();
  const context = { clock, resources: { of: () => undefined } } as unknown as AdmissionContext;
  const dispatch = new PolicyDispatch(context, "validate");
  const aborting = new AbortController();
  const { signal } = aborting;
  const deadline_ms = clock.monotonic() + 1;
  const proceed = () => dispatch.proceed({ signal, deadline_ms } as AdmissionRequest);
  await proceed();
  // A message that aborts it comes in a turn of its own.
  setImmediate(() => aborting.abort());
  const late = "request did not complete within requested timeout";
  await expect(proceed()).rejects.toThrow(late);
  const next = dispatch.proceed({ deadline_ms } as AdmissionRequest);
  clock.advance(1);
  await expect(next).rejects.toThrow(late);
});
