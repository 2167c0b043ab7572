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

  test("one chain when an endpoint comes", () => {
    const ledger = new Ledger("t");
    ledger.apply([change(port())]);
    const both = [{ address: "10.1.0.1", port: 8080 }, { address: "10.1.0.2", port: 8080 }];
    expect(lines(ledger.apply([change(port({ everywhere: both }))]))).toEqual([
      expect.stringMatching(/^flush chain ip t svc-/),
      expect.stringMatching(/numgen random mod 2 map \{ 0 : 10\.1\.0\.1 \. 8080, 1 : 10\.1\.0\.2/),
      "add element ip t hairpins { 10.1.0.2 . 10.1.0.2 }",
    ]);
  });

  test("a Service without endpoints is refused in the same transaction", () => {
    const ledger = new Ledger("t");
    ledger.apply([change(port())]);
    expect(lines(ledger.apply([change(port({ everywhere: [] }))]))).toEqual([
      "delete element ip t services { 10.96.0.7 . tcp . 80 }",
      "delete element ip t hairpins { 10.1.0.1 . 10.1.0.1 }",
      "add element ip t refused-services { 10.96.0.7 . tcp . 80 : goto reject-client }",
      expect.stringMatching(/^flush chain ip t svc-/),
      expect.stringMatching(/^delete chain ip t svc-/),
    ]);
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
    const second = port({ key: "shop/other:/TCP", clusterIps: ["10.96.0.8"], nodePort: 30080 });
    ledger.apply([change(first), change(second)]);
    expect(ledger.conflicts(second.key)).toEqual([{ key: "tcp . 30080", holder: first.key }]);
    expect(ledger.conflicts(first.key)).toEqual([]);
    // A change of the first one does not cost it its turn.
    const moved = port({ nodePort: 30080, everywhere: [{ address: "10.1.0.9", port: 1 }] });
    expect(ledger.apply([change(moved)])).not.toMatch(/node-ports/);
    expect(ledger.apply([{ owner: first.key, fragment: undefined }])).toMatch(
      /delete element ip t node-ports .*\n(.*\n)*add element ip t node-ports/,
    );
  });
});

describe("external traffic", () => {
  const external = { nodePort: 30080, here: [{ address: "10.1.0.1", port: 8080 }] };
  const chain = (from: ServicePort, kind: string) => {
    const { chains } = renderPort(from, "10.0.0.0/8");
    return [...chains].find(([name]) => name.startsWith(kind))?.[1];
  };

  test("is masqueraded, unless its policy is Local", () => {
    expect(chain(port(external), "ext-")?.[0]).toBe("jump mark-masquerade");
    const local = chain(port({ ...external, externalLocal: true }), "ext-");
    expect(local?.at(-1)).toBe("meta l4proto tcp dnat to 10.1.0.1:8080");
    expect(local?.[0]).toMatch(/^ip saddr 10\.0\.0\.0\/8 goto all-/);
  });

  test("is dropped with policy Local and no endpoint here", () => {
    const nowhere = port({ nodePort: 30080, externalLocal: true });
    expect(chain(nowhere, "ext-")?.at(-1)).toBe("drop");
  });
});
