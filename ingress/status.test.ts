import type { Ingress } from "@raft2kube/api/gen/networking/v1.ts";
import { expect, test } from "vitest";
import { STATUS_WRITES_MAX } from "./limits.ts";
import { writeAddresses } from "./status.ts";
import { ingressOf } from "./testing/objects.ts";

test("a pass writes a bounded number of statuses, and later ones the rest", async () => {
  const all = Array.from({ length: STATUS_WRITES_MAX + 1 }, (_, at) =>
    ingressOf({ name: `i${at}`, age: at }),
  );
  const written: Ingress[] = [];
  const updateStatus = async (ingress: Ingress) => {
    written.push(ingress);
    all[all.findIndex(({ metadata }) => metadata.name === ingress.metadata.name)] = ingress;
    return ingress;
  };
  const counts: number[] = [];
  for (let pass = 0; pass < 3; pass++) {
    await writeAddresses(all, ["192.0.2.1"], { updateStatus });
    counts.push(written.length);
  }
  expect(counts).toEqual([STATUS_WRITES_MAX, all.length, all.length]);
});
