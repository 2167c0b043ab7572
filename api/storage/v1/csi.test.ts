import { expect, it } from "vitest";
import { decodeJson } from "../../codec/json.ts";
import type { CSIDriver } from "../../gen/storage/v1.ts";
import { csiDriver } from "./csi.ts";

const CONTEXT = { now_ms: 0 };

it("a driver's field of a feature that is off is dropped, unless the driver has it", () => {
  const { object: made } = decodeJson<CSIDriver>("storage/v1.CSIDriver", {
    metadata: { name: "d.example.com" },
    spec: { preventPodSchedulingIfMissing: true },
  });
  const stored = structuredClone(made);
  csiDriver.strategy.prepareCreate(made, CONTEXT);
  expect(made.spec).not.toHaveProperty("preventPodSchedulingIfMissing");
  const next = structuredClone(stored);
  csiDriver.strategy.prepareUpdate(next, stored, CONTEXT);
  expect(next.spec.preventPodSchedulingIfMissing).toBe(true);
});
