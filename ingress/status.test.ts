import type { Ingress } from "@raft2kube/api/gen/networking/v1.ts";
import { KubeError } from "@raft2kube/client-kube/errors.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import { expect, test } from "vitest";
import { STATUS_WRITES_MAX } from "./limits.ts";
import { StatusWrites, writeAddresses } from "./status.ts";
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
  const writes = new StatusWrites();
  for (let pass = 0; pass < 3; pass++) {
    await writeAddresses(all, ["192.0.2.1"], { updateStatus }, writes);
    counts.push(written.length);
  }
  expect(counts).toEqual([STATUS_WRITES_MAX, all.length, all.length]);
});

test("statuses that another controller keeps changing do not use up others' writes", async () => {
  const fought = Array.from({ length: STATUS_WRITES_MAX }, (_, at) =>
    ingressOf({ name: `i${at}`, age: at }),
  );
  const later = ["default", "other"].map((namespace) =>
    ingressOf({ namespace, name: "later", age: STATUS_WRITES_MAX }),
  );
  const written: string[][] = [];
  const updateStatus = async (ingress: Ingress) => {
    written.at(-1)!.push(keyOf(ingress));
    return ingress;
  };
  const writes = new StatusWrites();
  for (let pass = 0; pass < 2; pass++) {
    written.push([]);
    await writeAddresses([...fought, ...later], ["192.0.2.1"], { updateStatus }, writes);
  }
  expect(written[0]).toContain("other/later");
  expect(written[1]).toContain("default/later");
  expect(written.map(({ length }) => length)).toEqual([STATUS_WRITES_MAX, STATUS_WRITES_MAX]);
});

test("an Ingress that has no room for a status does not end a pass", async () => {
  const written: string[] = [];
  const updateStatus = async (ingress: Ingress) => {
    if (ingress.metadata.name === "full") throw new KubeError({ code: 413 });
    written.push(keyOf(ingress));
    return ingress;
  };
  const all = ["full", "web"].map((name) => ingressOf({ name }));
  await writeAddresses(all, ["192.0.2.1"], { updateStatus }, new StatusWrites());
  expect(written).toEqual(["default/web"]);
});
