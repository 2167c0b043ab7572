import { expect, test } from "vitest";
import { runWithUsed, word } from "../../../testing/retained.ts";
import { SOURCE_RANGES_MAX } from "../../limits.ts";

const load = (path: string) => word(import.meta.dirname, path);
const MIB = 1024 * 1024;
const PORTS = 2_000;
/** The text of a firewall has about 30 kB. */
const RETAINED_BYTES_MAX = 10 * MIB;

/** Returns a program that prints the memory of ports with source ranges: rendered, and applied. */
const program = (firewallOfPort: string) => `
  const { renderPort } = await import(${load("render-port.ts")});
  const { servicePort } = await import(${load("../../../testing/service-port.ts")});
  const { TableState } = await import(
    ${load("../../../base/linux/netfilter/nft-table/table-state.ts")}
  );
  const externalIps = ["192.0.2.1"];
  const ranges = Array.from({ length: ${SOURCE_RANGES_MAX} }, (_, at) => {
    return "198." + (at >> 8) + "." + (at & 255) + ".0/24";
  });
  const one = { addresses: externalIps, ranges };
  const changes = function* () {
    for (let at = 0; at < ${PORTS}; at++) {
      const owner = "shop/web:p" + at + "/TCP";
      const port = servicePort({ key: owner, port: at, externalIps, firewall: ${firewallOfPort} });
      yield { owner, fragment: renderPort(port, undefined) };
    }
  };
  const before = await used();
  const state = new TableState("t");
  const steps = state.apply(changes());
  for (let at = 0; at < ${PORTS}; at++) steps.next();
  const rendered = (await used()) - before;
  while (!steps.next().done);
  console.log(rendered, (await used()) - before);
  state.shape();
`;

const memoryOf = (firewallOfPort: string) => runWithUsed(program(firewallOfPort)).map(Number);

test("ports of one Service have one text of its source ranges, while they are rendered too", () => {
  expect(Math.max(...memoryOf("one"))).toBeLessThan(RETAINED_BYTES_MAX);
});

test("ports that were planned one after the other keep one text of equal ranges", () => {
  const [, applied = Number.NaN] = memoryOf("{ ...one }");
  expect(applied).toBeLessThan(RETAINED_BYTES_MAX);
});
