import type { ContainerConfig } from "@raft2kube/proto/gen/cri.ts";
import { Signal } from "@raft2kube/proto/gen/cri.ts";
import { describe, expect, test } from "vitest";
import { commandLine, environment } from "./command-line.ts";
import { criSignal, criSignalName, signalNumber } from "./signals.ts";

const config = (given: Partial<ContainerConfig>) =>
  ({ command: [], args: [], envs: [], tty: false, ...given }) as unknown as ContainerConfig;

describe("the command line", () => {
  const image = { Entrypoint: ["e"], Cmd: ["c"] };
  test.each([
    [{}, ["e", "c"]],
    [{ args: ["a"] }, ["e", "a"]],
    [{ command: ["x"] }, ["x"]],
    [{ command: ["x"], args: ["a"] }, ["x", "a"]],
  ])("with %j is %j", (given, line) => {
    expect(commandLine(config(given), image)).toEqual(line);
  });

  test("must name something", () => {
    expect(() => commandLine(config({}), {})).toThrow(/no command/);
  });
});

test("the pod's environment goes over the image's, a path is always there", () => {
  const envs = [{ key: "A", value: "pod" }];
  const image = { Env: ["A=image", "B=image=x"] };
  const given = { hostname: "host", home: "/home/a" };
  expect(environment(config({ envs }), image, given)).toEqual([
    expect.stringMatching(/^PATH=/),
    "HOME=/home/a",
    "HOSTNAME=host",
    "A=pod",
    "B=image=x",
  ]);
});

test("HOME is always set, so that the OCI runtime does not read the container's files", () => {
  const home = (envs: { key: string; value: string }[], image: { Env?: string[] }) =>
    environment(config({ envs }), image, { hostname: "", home: "" }).find((pair) => {
      return pair.startsWith("HOME=");
    });
  expect(home([], {})).toBe("HOME=/");
  expect(home([], { Env: ["HOME=/image"] })).toBe("HOME=/image");
  expect(home([{ key: "HOME", value: "/pod" }], { Env: ["HOME=/image"] })).toBe("HOME=/pod");
});

describe("signals", () => {
  test.each([
    ["SIGTERM", 15],
    ["term", 15],
    ["9", 9],
    ["SIGRTMIN+3", 37],
    ["RTMAX-1", 63],
    ["64", 64],
  ])("%s is %i", (name, number) => {
    expect(signalNumber(name)).toBe(number);
  });

  test.each(["SIGNOPE", "0", "65", "SIGRTMIN+99", ""])("%j is refused", (name) => {
    expect(() => signalNumber(name)).toThrow(/unknown signal/);
  });

  test("CRI's numbers are its own, and come back", () => {
    for (const value of Object.values(Signal)) {
      if (value === Signal.RUNTIME_DEFAULT || value === Signal.SIGCLD) continue;
      const name = criSignalName(value);
      expect(signalNumber(name)).toBeGreaterThan(0);
      expect(criSignal(name)).toBe(value);
    }
  });

  test("CRI's word for one is looked up: each status of a container has it", () => {
    const { user } = process.cpuUsage();
    for (let at = 0; at < 10_000; at++) criSignal("SIGTERM");
    expect(process.cpuUsage().user - user).toBeLessThan(500_000);
  });
});
