import { expect, test } from "vitest";
import { IPVS_ENTRIES_OF_NAMESPACE, IPVS_SET_ENTRIES_MAX } from "../../limits.ts";
import { SETS } from "./layout.ts";
import { NamespaceShares } from "./shares.ts";
import type { Wanted } from "./wanted.ts";

const ENTRY: Wanted["entries"][number] = { set: SETS.addresses, entry: { ip: "10.96.0.7" } };
const sized = (length: number): Wanted => ({
  servers: [],
  addresses: [],
  entries: Array.from({ length }, () => ENTRY),
});

test("namespaces that have their parts leave one to the control plane, and none fills a set", () => {
  const shares = new NamespaceShares();
  const whole = sized(IPVS_ENTRIES_OF_NAMESPACE);
  const names = Array.from({ length: 9 }, (_, at) => `n${at}/many:p/TCP`);
  const { refused } = shares.change(new Map(names.map((name) => [name, whole])));
  expect((names.length - refused.length + 1) * IPVS_ENTRIES_OF_NAMESPACE).toBe(
    IPVS_SET_ENTRIES_MAX,
  );
  const small = sized(3);
  expect(shares.change(new Map([["shop/web:p/TCP", small]])).refused).toEqual(["shop/web:p/TCP"]);
  expect(shares.change(new Map([["kube-system/dns:p/UDP", small]])).refused).toEqual([]);
  const { admitted } = shares.change(new Map([[names[0]!, undefined]]));
  expect(admitted.get("shop/web:p/TCP")).toBe(small);
});
