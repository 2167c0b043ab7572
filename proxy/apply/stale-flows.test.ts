import { expect, test } from "vitest";
import { servicePort } from "../../testing/service-port.ts";
import type { ServicePort } from "../plan/model.ts";
import { staleFlows } from "../plan/stale-flows.ts";
import { deleteStaleFlows, keptOf, straysOf } from "./stale-flows.ts";

const OWN = new Set(["192.0.2.1"]);
const FIRST = { address: "10.244.0.5", port: 5353 };
const SECOND = { address: "10.244.0.6", port: 5353 };
const udp = (changes: Partial<ServicePort>) =>
  servicePort({ transport: "udp", port: 53, allEndpoints: [FIRST], ...changes });
const DNS = udp({ key: "kube-system/dns:dns/UDP", clusterIps: ["10.96.0.10"], nodePort: 30053 });

/** A client's entry, to `to` and translated to `by`; itself: not translated. */
function flow(to: string, destinationPort: number, by = { address: to, port: destinationPort }) {
  const client = { source: "10.244.0.9", sourcePort: 40_000 };
  return {
    original: { ...client, destination: to, destinationPort },
    reply: {
      source: by.address,
      sourcePort: by.port,
      destination: client.source,
      destinationPort: client.sourcePort,
    },
  };
}

test("entries of the frontends that lead to no endpoint are strays, others are not", () => {
  const isStray = straysOf([DNS], [DNS], OWN)!;
  expect(
    [
      flow("10.96.0.10", 53, FIRST),
      flow("10.96.0.10", 53, SECOND),
      flow("10.96.0.10", 53),
      flow("192.0.2.1", 30053, FIRST),
      flow("192.0.2.1", 30053),
    ].map(isStray),
  ).toEqual([false, true, true, false, true]);
  // Another port, another machine's, and one of userspace mode, which forgets its own.
  const proxied = { address: "169.254.96.1", port: 50_001 };
  expect(
    [flow("10.96.0.10", 54), flow("192.0.2.7", 30053), flow("10.96.0.10", 53, proxied)].map(
      isStray,
    ),
  ).toEqual([false, false, false]);
});

test("a local endpoint that hints leave out is none", () => {
  const port = { ...DNS, localEndpoints: [SECOND], keptEndpoints: [SECOND] };
  expect(straysOf([port], [port], OWN)!(flow("10.96.0.10", 53, SECOND))).toBe(false);
});

test("a Service that claims another's address does not end its flows", () => {
  const greedy = udp({ externalIps: ["10.96.0.10"], allEndpoints: [SECOND] });
  expect(straysOf([greedy], [DNS, greedy], OWN)!(flow("10.96.0.10", 53, FIRST))).toBe(false);
});

test("a Service that gives up another's endpoint and address does not end its flows", () => {
  const both = [FIRST, SECOND];
  const before = udp({ externalIps: ["10.96.0.10"], nodePort: 30053, allEndpoints: both });
  const after = { ...before, allEndpoints: [] };
  const stale = staleFlows(before, after);
  const entries = [
    flow("10.96.0.10", 53, FIRST),
    flow("10.96.0.10", 53, SECOND),
    flow("192.0.2.1", 30053, FIRST),
    flow("192.0.2.1", 30053, SECOND),
  ];
  const deleted = (all: ServicePort[]) => {
    let selected: boolean[] = [];
    void deleteStaleFlows(stale, {
      kept: keptOf(stale, all, OWN),
      forget(_, isStale) {
        selected = entries.map(isStale);
        return Promise.resolve(0);
      },
    });
    return selected;
  };
  expect(deleted([DNS, after])).toEqual([false, true, false, true]);
  expect(deleted([after])).toEqual([true, true, true, true]);
});

test("without a changed port of UDP there is nothing to look for", () => {
  expect(
    straysOf([undefined, servicePort({ clusterIps: ["10.96.0.7"] })], [DNS], OWN),
  ).toBeUndefined();
});
