import { describe, expect, test } from "vitest";
import type { ServicePort } from "../../plan/model.ts";
import { renderPort } from "./fragment.ts";
import { Ledger } from "./ledger.ts";

const port = (changes: Partial<ServicePort> = {}): ServicePort => ({
  key: "shop/web:http/TCP",
  transport: "tcp",
  port: 80,
  clusterIps: ["10.96.0.7"],
  externalIps: [],
  nodePort: undefined,
  affinity_s: undefined,
  everywhere: [{ address: "10.1.0.1", port: 8080 }],
  here: [],
  internalLocal: false,
  externalLocal: false,
  ofApi: false,
  ...changes,
});

const change = (from: ServicePort) => ({ owner: from.key, fragment: renderPort(from, undefined) });
const lines = (text: string) => text.trim().split("\n");

describe("a transaction holds only what differs", () => {
  test("nothing when nothing changed", () => {
    const ledger = new Ledger("t");
    expect(ledger.apply([change(port())])).not.toBe("");
    expect(ledger.apply([change(port())])).toBe("");
  });

  test("data alone when another Service has as many endpoints", () => {
    const ledger = new Ledger("t");
    ledger.apply([change(port())]);
    const other = port({ key: "shop/other:/TCP", clusterIps: ["10.96.0.8"] });
    expect(lines(ledger.apply([change(other)]))).toEqual([
      "add element ip t endpoints { 10.96.0.8 . tcp . 80 . 1073741824 : 10.1.0.1 . 8080 }",
      "add element ip t cluster-ips { 10.96.0.8 }",
      "add element ip t services { 10.96.0.8 . tcp . 80 : goto cluster-1 }",
    ]);
  });

  test("rules for a number of endpoints come with the first Service that has as many", () => {
    const ledger = new Ledger("t");
    ledger.apply([change(port())]);
    const both = [{ address: "10.1.0.1", port: 8080 }, { address: "10.1.0.2", port: 8080 }];
    const text = ledger.apply([change(port({ everywhere: both }))]);
    const rule = "add rule ip t cluster-2";
    expect(lines(text).slice(0, 4)).toEqual([
      "add chain ip t cluster-2",
      `${rule} meta mark set numgen random mod 2 offset 1073741824`,
      `${rule} dnat ip to ip daddr . meta l4proto . th dport . meta mark map @endpoints`,
      "delete element ip t services { 10.96.0.7 . tcp . 80 }",
    ]);
    expect(lines(text).slice(4, -2).toSorted()).toEqual([
      "add element ip t endpoints { 10.96.0.7 . tcp . 80 . 1073741825 : 10.1.0.2 . 8080 }",
      "add element ip t hairpins { 10.1.0.2 . 10.1.0.2 }",
      "add element ip t services { 10.96.0.7 . tcp . 80 : goto cluster-2 }",
    ]);
    expect(lines(text).slice(-2)).toEqual([
      "flush chain ip t cluster-1", "delete chain ip t cluster-1",
    ]);
  });

  test("a Service without endpoints is refused in the same transaction", () => {
    const ledger = new Ledger("t");
    ledger.apply([change(port())]);
    const text = lines(ledger.apply([change(port({ everywhere: [] }))]));
    expect(text).toContain("delete element ip t services { 10.96.0.7 . tcp . 80 }");
    expect(text).toContain(
      "add element ip t refused-services { 10.96.0.7 . tcp . 80 : goto reject-client }",
    );
    expect(text.at(-1)).toBe("delete chain ip t cluster-1");
  });
});

describe("what several claim", () => {
  test("stays until the last one lets go", () => {
    const ledger = new Ledger("t");
    const other = port({ key: "shop/web:https/TCP", port: 443 });
    ledger.apply([change(port()), change(other)]);
    expect(ledger.apply([{ owner: port().key, fragment: undefined }])).not.toMatch(/cluster-ips/);
    const last = ledger.apply([{ owner: other.key, fragment: undefined }]);
    expect(last).toMatch(/delete element ip t cluster-ips \{ 10\.96\.0\.7 \}/);
  });

  test("is the first one's; the other gets it when that one goes, and is told meanwhile", () => {
    const ledger = new Ledger("t");
    const first = port({ nodePort: 30080 });
    const everywhere = [{ address: "10.1.0.7", port: 1 }];
    const second = port({
      key: "shop/other:/TCP", clusterIps: ["10.96.0.8"], nodePort: 30080, everywhere,
    });
    ledger.apply([change(first), change(second)]);
    expect(ledger.conflicts(second.key)).toEqual([
      { key: "tcp . 30080 . 1073741824", holder: first.key },
    ]);
    expect(ledger.conflicts(first.key)).toEqual([]);
    // A change of the first one does not cost it its turn.
    const moved = port({ nodePort: 30080, everywhere: [{ address: "10.1.0.9", port: 1 }] });
    ledger.apply([change(moved)]);
    expect(ledger.conflicts(second.key)[0]?.holder).toBe(first.key);
    ledger.apply([{ owner: first.key, fragment: undefined }]);
    expect(ledger.conflicts(second.key)).toEqual([]);
  });
});

describe("external traffic", () => {
  const external = { nodePort: 30080, here: [{ address: "10.1.0.1", port: 8080 }] };
  const chain = (from: ServicePort, name: string) =>
    renderPort(from, "10.0.0.0/8").chains.get(name);

  test("is masqueraded, unless its policy is Local", () => {
    expect(chain(port(external), "node-1")?.[0]).toBe("jump hide-client");
    const local = chain(port({ ...external, externalLocal: true }), "node-local-1-1");
    expect(local?.[0]).toBe("ip saddr 10.0.0.0/8 goto node-whole-1");
    expect(local?.at(-1)).toMatch(/map @node-endpoints$/);
  });

  test("is dropped with policy Local and no endpoint here", () => {
    const nowhere = port({ nodePort: 30080, externalLocal: true });
    expect(chain(nowhere, "node-local-1-0")?.at(-1)).toBe("drop");
  });
});

describe("session affinity", () => {
  const sticky = port({ affinity_s: 60 });

  test("gives each endpoint a set of clients, which outlives changes of the others", () => {
    const ledger = new Ledger("t");
    expect(ledger.apply([change(sticky)])).toMatch(/add set ip t clients-.* timeout 60s; \}/);
    const both = [...sticky.everywhere, { address: "10.1.0.2", port: 8080 }];
    const grown = ledger.apply([change({ ...sticky, everywhere: both })]);
    expect(grown.match(/add set/g)).toHaveLength(1);
    expect(grown).not.toMatch(/delete set/);
    expect(ledger.apply([change(sticky)])).toMatch(/delete set ip t clients-/);
  });
});
