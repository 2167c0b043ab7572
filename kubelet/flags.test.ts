import { describe, expect, test } from "vitest";
import { parseEvictionHard, parsePodPids, parseTaint } from "./flags.ts";

describe("flags", () => {
  test.each([
    ["a=b:NoSchedule", { key: "a", value: "b", effect: "NoSchedule" }],
    ["a:NoExecute", { key: "a", effect: "NoExecute" }],
  ])("the taint %s", (text, taint) => expect(parseTaint(text)).toEqual(taint));

  test("eviction thresholds", () => {
    expect(parseEvictionHard("memory.available<100Mi,nodefs.available<10%")).toEqual({
      memoryAvailable_bytes: 100 * 2 ** 20,
      nodefsAvailable: 0.1,
    });
  });

  test("reads the limit of a pod's processes", () => {
    expect(["100", "-1"].map(parsePodPids)).toEqual([100, -1]);
    for (const text of ["0", "-2", "many", "1.5", ""]) {
      expect(() => parsePodPids(text)).toThrow("--pod-max-pids is not a count");
    }
  });

  test.each(["a=b", "a:Sometimes"])("refuses the taint %s", (text) => {
    expect(() => parseTaint(text)).toThrow(text);
  });

  test.each(["cpu.available<10%", "memory.available<10%", "nodefs.available<1Gi"])(
    "refuses %s by name",
    (text) => expect(() => parseEvictionHard(text)).toThrow(text.split("<")[0]),
  );
});
