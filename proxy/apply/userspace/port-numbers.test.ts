import { CodedError } from "@raft2kube/std/errors.ts";
import { expect, test } from "vitest";
import { PortNumbers, portNumbers } from "./port-numbers.ts";
import type { ProxyPort } from "./proxy-port.ts";

const listeners = (...settings: [string, string]) => portNumbers(...settings).listeners;
const nothing = () => undefined;

/** Opens ports of which those that another program has are in use. */
function opener(...taken: readonly number[]) {
  const asked: number[] = [];
  const open = (port: number): Promise<ProxyPort> => {
    asked.push(port);
    if (taken.includes(port)) return Promise.reject(new CodedError("EADDRINUSE", "in use"));
    return Promise.resolve({ transport: "tcp" as const, port, update: nothing, close: nothing });
  };
  return { asked, open };
}

test("listeners take the numbers last that the kernel gives to connections first", () => {
  expect(listeners("40000\t40007", "")).toEqual([40_007, 40_005, 40_003, 40_001]);
  expect(listeners("40001 40004", "")).toEqual([40_004, 40_002]);
});

test("a number that is reserved is given to no listener", () => {
  expect(listeners("40000\t40007", "30000-32767,40003-40006")).toEqual([40_007, 40_001]);
  expect(listeners("40000\t40007", "40001-40005,40007")).toEqual([40_006]);
});

test("listeners leave half of the numbers to connections, and UDP clients a tenth", () => {
  expect(listeners("32768 60999", "")).toHaveLength(28_232 / 2);
  expect(portNumbers("32768 60999", "").udpClients).toBe(11_293);
});

test("each listener asks for one number only, however many there are", async () => {
  const numbers = new PortNumbers(listeners("32768 60999", ""));
  const { asked, open } = opener();
  await Promise.all(Array.from({ length: 10_000 }, () => numbers.open(open)));
  expect(asked).toHaveLength(10_000);
  expect(new Set(asked).size).toBe(10_000);
});

test("a number that another program has is passed over", async () => {
  const { asked, open } = opener(3);
  const port = await new PortNumbers([3, 1]).open(open);
  expect([port.port, ...asked]).toEqual([1, 3, 1]);
});

test("a number that was closed is given again after all others", async () => {
  const numbers = new PortNumbers([5, 3, 1]);
  const { open } = opener();
  const first = await numbers.open(open);
  first.close(false);
  const ports = [await numbers.open(open), await numbers.open(open), await numbers.open(open)];
  expect(ports.map(({ port }) => port)).toEqual([3, 1, 5]);
});

test("without a number that is free the error names the setting", async () => {
  const numbers = new PortNumbers([5, 3]);
  await numbers.open(opener().open);
  const { asked, open } = opener(3);
  await expect(numbers.open(open)).rejects.toMatchObject({ code: "EADDRINUSE" });
  expect(asked).toEqual([3]);
});
