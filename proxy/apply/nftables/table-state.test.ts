import { TableState } from "@raft2kube/linux/netfilter/nft-table/table-state.ts";
import { describe, expect, test } from "vitest";
import { atOnce } from "../../../testing/at-once.ts";
import { servicePort } from "../../../testing/service-port.ts";
import type { ServicePort } from "../../plan/model.ts";
import { renderPort } from "./render-port.ts";

const port = (changes: Partial<ServicePort> = {}) =>
  servicePort({
    clusterIps: ["10.96.0.7"],
    allEndpoints: [{ address: "10.1.0.1", port: 8080 }],
    ...changes,
  });

const change = (from: ServicePort) => ({ owner: from.key, fragment: renderPort(from, undefined) });
const lines = (text: string) => text.trim().split("\n");

describe("a transaction contains only differences", () => {
  test("an unchanged Service needs no statement", () => {
    const table = new TableState("t");
    expect(atOnce(table.apply([change(port())]))).not.toBe("");
    expect(atOnce(table.apply([change(port())]))).toBe("");
  });

  test("many changes are many steps, so that other events are processed in between", () => {
    const many = Array.from({ length: 100 }, (_, i) => change(port({ key: `shop/s${i}:/TCP` })));
    const steps = new TableState("t").apply(many);
    let count = 0;
    while (!steps.next().done) count++;
    expect(count).toBeGreaterThanOrEqual(many.length);
  });

  test("another Service with as many endpoints adds elements only", () => {
    const table = new TableState("t");
    atOnce(table.apply([change(port())]));
    const other = port({ key: "shop/other:/TCP", clusterIps: ["10.96.0.8"] });
    expect(lines(atOnce(table.apply([change(other)])))).toEqual([
      "add element ip t service-endpoints { 10.96.0.8 . tcp . 80 . 1073741824 : 10.1.0.1 . 8080 }",
      "add element ip t cluster-ips { 10.96.0.8 }",
      "add element ip t service-ips { 10.96.0.8 . tcp . 80 : goto service-endpoints-1 }",
    ]);
  });

  test("the first Service with a number of endpoints adds the chain for it", () => {
    const table = new TableState("t");
    atOnce(table.apply([change(port())]));
    const both = [
      { address: "10.1.0.1", port: 8080 },
      { address: "10.1.0.2", port: 8080 },
    ];
    const text = atOnce(table.apply([change(port({ allEndpoints: both }))]));
    const rule = "add rule ip t service-endpoints-2";
    expect(lines(text).slice(0, 4)).toEqual([
      "add chain ip t service-endpoints-2",
      `${rule} meta mark set numgen random mod 2 offset 1073741824`,
      `${rule} dnat ip to ip daddr . meta l4proto . th dport . meta mark map @service-endpoints`,
      "delete element ip t service-ips { 10.96.0.7 . tcp . 80 }",
    ]);
    expect(lines(text).slice(4, -2).toSorted()).toEqual([
      "add element ip t service-endpoints { 10.96.0.7 . tcp . 80 . 1073741825 : 10.1.0.2 . 8080 }",
      "add element ip t service-ips { 10.96.0.7 . tcp . 80 : goto service-endpoints-2 }",
    ]);
    expect(lines(text).slice(-2)).toEqual([
      "flush chain ip t service-endpoints-1",
      "delete chain ip t service-endpoints-1",
    ]);
  });

  test("a Service that loses its endpoints is rejected in the same transaction", () => {
    const table = new TableState("t");
    atOnce(table.apply([change(port())]));
    const text = lines(atOnce(table.apply([change(port({ allEndpoints: [] }))])));
    expect(text).toContain("delete element ip t service-ips { 10.96.0.7 . tcp . 80 }");
    expect(text).toContain(
      "add element ip t no-endpoint-services { 10.96.0.7 . tcp . 80 : goto reject-chain }",
    );
    expect(text.at(-1)).toBe("delete chain ip t service-endpoints-1");
  });
});

describe("objects with several owners", () => {
  test("are deleted when the last owner releases them", () => {
    const table = new TableState("t");
    const other = port({ key: "shop/web:https/TCP", port: 443 });
    atOnce(table.apply([change(port()), change(other)]));
    const removal = atOnce(table.apply([{ owner: port().key, fragment: undefined }]));
    expect(removal).not.toMatch(/cluster-ips/);
    const last = atOnce(table.apply([{ owner: other.key, fragment: undefined }]));
    expect(last).toMatch(/delete element ip t cluster-ips \{ 10\.96\.0\.7 \}/);
  });

  test("keep the first owner's value until it releases them; the other has a conflict", () => {
    const table = new TableState("t");
    const first = port({ nodePort: 30080 });
    const allEndpoints = [{ address: "10.1.0.7", port: 1 }];
    const second = port({
      key: "shop/other:/TCP",
      clusterIps: ["10.96.0.8"],
      nodePort: 30080,
      allEndpoints,
    });
    atOnce(table.apply([change(first), change(second)]));
    expect(table.conflicts(second.key)).toEqual([
      { key: "tcp . 30080 . 1073741824", owner: first.key },
    ]);
    expect(table.conflicts(first.key)).toEqual([]);
    // A change of the first owner does not pass the name to the second.
    const moved = port({ nodePort: 30080, allEndpoints: [{ address: "10.1.0.9", port: 1 }] });
    atOnce(table.apply([change(moved)]));
    expect(table.conflicts(second.key)[0]?.owner).toBe(first.key);
    atOnce(table.apply([{ owner: first.key, fragment: undefined }]));
    expect(table.conflicts(second.key)).toEqual([]);
  });
});

describe("external traffic", () => {
  const external = { nodePort: 30080, localEndpoints: [{ address: "10.1.0.1", port: 8080 }] };
  const chain = (from: ServicePort, name: string) =>
    renderPort(from, "10.0.0.0/8").chains.get(name);

  test("is masqueraded unless its policy is Local", () => {
    expect(chain(port(external), "nodeport-endpoints-1")?.[0]).toBe("jump mark-for-masquerade");
    const local = chain(port({ ...external, externalLocal: true }), "nodeport-local-endpoints-1-1");
    expect(local?.[0]).toBe("ip saddr 10.0.0.0/8 goto nodeport-all-endpoints-1");
    expect(local?.at(-1)).toMatch(/map @nodeport-endpoints$/);
  });

  test("is dropped with policy Local and no local endpoint", () => {
    const noLocal = port({ nodePort: 30080, externalLocal: true });
    expect(chain(noLocal, "nodeport-local-endpoints-1-0")?.at(-1)).toBe("drop");
  });
});

test("hairpins are of endpoints that may be pods of this node", () => {
  const [local, unplaced, distant] = [1, 2, 3].map((i) => ({ address: `10.1.0.${i}`, port: 80 }));
  const endpoints = {
    allEndpoints: [local!, unplaced!, distant!],
    localEndpoints: [local!],
    unplacedEndpoints: [unplaced!],
  };
  const hairpins = (changes: Partial<ServicePort>) =>
    renderPort(port(changes), undefined)
      .elements.filter(({ set }) => set === "hairpin-connections")
      .map(({ key }) => key.split(" ")[0]);
  expect(hairpins(endpoints)).toEqual(["10.1.0.1", "10.1.0.2"]);
  expect(hairpins({ ...endpoints, externalLocal: true })).toEqual([
    "10.1.0.1",
    "10.1.0.2",
    "10.1.0.3",
  ]);
});

describe("session affinity", () => {
  const sticky = port({ affinity_s: 60 });

  test("adds a set of clients per endpoint, which changes of other endpoints keep", () => {
    const table = new TableState("t");
    const added = atOnce(table.apply([change(sticky)]));
    expect(added).toMatch(/add set ip t affinity-.* timeout 60s; \}/);
    const both = [...sticky.allEndpoints, { address: "10.1.0.2", port: 8080 }];
    const grown = atOnce(table.apply([change({ ...sticky, allEndpoints: both })]));
    expect(grown.match(/add set/g)).toHaveLength(1);
    expect(grown).not.toMatch(/delete set/);
    expect(atOnce(table.apply([change(sticky)]))).toMatch(/delete set ip t affinity-/);
  });
});
