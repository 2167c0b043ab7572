import { expect, test } from "vitest";
import { IPVS_ENTRIES_OF_NAMESPACE, IPVS_SET_ENTRIES_MAX } from "../../limits.ts";
import { SETS } from "./layout.ts";
import { NamespaceShares } from "./shares.ts";
import type { Wanted } from "./wanted.ts";

const ENTRY: Wanted["entries"][number] = { set: SETS.addresses, entry: { ip: "10.96.0.7" } };
const sized = (length: number) => (): Wanted => ({
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
  const gone = [names[0]!, ...refused].map((name) => [name, undefined] as const);
  const { admitted } = shares.change(new Map(gone));
  expect(admitted.get("shop/web:p/TCP")).toEqual(small());
});

test("a port keeps its part while the control plane has its own", () => {
  const shares = new NamespaceShares();
  const whole = sized(IPVS_ENTRIES_OF_NAMESPACE);
  const names = Array.from({ length: 7 }, (_, at) => `n${at}/many:p/TCP`);
  shares.change(new Map([...names, "kube-system/dns:p/UDP"].map((name) => [name, whole])));
  const changed = sized(IPVS_ENTRIES_OF_NAMESPACE - 1);
  expect(shares.change(new Map([[names[0]!, changed]])).refused).toEqual([]);
});

test("a port whose endpoints change keeps its part, though another namespace's comes first", () => {
  const shares = new NamespaceShares();
  const whole = sized(IPVS_ENTRIES_OF_NAMESPACE);
  const names = Array.from({ length: 6 }, (_, at) => `n${at}/many:p/TCP`);
  shares.change(new Map([...names, "shop/web:p/TCP"].map((name) => [name, whole])));
  const changes = new Map([
    ["late/many:p/TCP", whole],
    ["shop/web:p/TCP", sized(IPVS_ENTRIES_OF_NAMESPACE - 1)],
  ]);
  expect(shares.change(changes).refused).toEqual(["late/many:p/TCP"]);
});
